"""The notebook kit: an export as views, alike from Parquet and CSV, and the example notebooks run on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pytest
from kit.indexes import a_journal, simulated
from nbclient import NotebookClient
from traitlets.config import Config

from deploy.analysis.index import open_index
from deploy.analysis.index.export import export
from deploy.analysis.load import NoExport, load
from deploy.analysis.parquet import Form

ROOT = Path(__file__).resolve().parents[3]
NOTEBOOKS = sorted((ROOT / "deploy" / "analysis" / "notebooks").glob("*.ipynb"))
ALWAYS = "releases"
"""The notebook that every pipeline runs; the night runs all of them."""
FORMS: tuple[Form, ...] = ("parquet", "csv")
TABLES = ["releases", "regimes", "trades", "windows", "decisions", "denials", "boundaries", "ops", "steps", "claims"]
TABLES += ["positions_at_boundary", "orders_at_boundary"]
"""What the notebooks ask for, and a table without rows."""
TABLES_SHOWN = 3
CELL_S = 240


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """One simulated desk, exported either way."""
    folder = tmp_path_factory.mktemp("exports")
    with closing(open_index(a_journal(folder / "desk", simulated()))) as connection:
        connection.row_factory = None
        for form in FORMS:
            export(connection, folder / form, form, TABLES, 0, 2**63 - 1, force=False)
    yield {form: folder / form for form in FORMS}


def test_every_table_is_a_view_and_both_forms_are_alike(exports: dict[str, Path]) -> None:
    """Same columns, same types, same rows, with mode and day."""
    with load(exports["parquet"]) as one, load(exports["csv"]) as other:
        for name in TABLES:
            shape = f'DESCRIBE SELECT * FROM "{name}"'
            assert one.execute(shape).fetchall() == other.execute(shape).fetchall()
            rows = f'SELECT * FROM "{name}" ORDER BY ALL'
            assert one.execute(rows).fetchall() == other.execute(rows).fetchall()
        net = one.execute("SELECT SUM(net) FROM trades WHERE mode = 'rehearsal' AND date > '2020-01-01'").fetchone()
    assert net is not None
    assert isinstance(net[0], Decimal)


def test_what_is_no_export_says_so(tmp_path: Path) -> None:
    """And how one is made."""
    with pytest.raises(NoExport, match="foresight export --out"):
        load(tmp_path)
    (tmp_path / "schema.json").write_text('{"schema": "another/1"}')
    with pytest.raises(NoExport, match="another kind: another/1"):
        load(tmp_path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_example_notebook_is_kept_without_what_it_printed(path: Path) -> None:
    """Nothing of the machine it was written on."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[] if path.stem == ALWAYS else [pytest.mark.nightly]) for path in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_an_example_notebook_runs(path: Path, exports: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """In a kernel of its own, on a simulated desk's export; its own assertions hold."""
    monkeypatch.setenv("FORESIGHT_EXPORT", str(exports["parquet"]))
    notebook = nbformat.read(path, as_version=4)
    # Ports would be chosen before the kernel takes them, and others may take them meanwhile.
    files = Config(KernelManager={"transport": "ipc"})
    with TemporaryDirectory(prefix="fs-") as folder:  # short enough for sockets
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", folder)
        NotebookClient(notebook, timeout=CELL_S, resources={"metadata": {"path": str(ROOT)}}, config=files).execute()
    printed = [str(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]
    assert sum("rows" in text or "\u2502" in text for text in printed) >= TABLES_SHOWN, printed
