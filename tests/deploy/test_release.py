"""A release on disk: what is staged, what is refused, and what is there after anything that can happen meanwhile."""

from __future__ import annotations

import compileall
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.clocks import PATIENCE_S, eventually
from kit.releases import MAIN, ROOT, STRATEGY, a_checkout, another_checkout

from deploy import release
from deploy.release import Indexed, NotFound, Rejected, Stager, ends_within, find, index
from shared.fingerprint import modules, release_hash
from shared.paths import State

STAGE = "import sys; from pathlib import Path; from deploy.release import Stager; from shared.paths import State\n"


def stage(state: State, wanted: Path | str) -> Indexed:
    """Stage it; what the index says of it."""
    return Stager(state).stage(str(wanted)).indexed


def left(state: State) -> set[str]:
    """What lies in the folder of releases."""
    return {path.name for path in state.releases.iterdir()}


def git(repository: Path, *arguments: str) -> str:
    """Run git as nobody in particular."""
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(repository), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose last commit but one is a checkout like ours, and whose last one has another strategy."""
    folder = a_checkout(tmp_path / "repository")
    git(folder, "init", "--quiet")
    for message in ("first", "second"):
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", message)
        shutil.copy(another_checkout(tmp_path / message) / STRATEGY, folder / STRATEGY)
    git(folder, "commit", "--quiet", "--message", "third", "--all", "--allow-empty")
    return folder


# --- what is staged ---


def test_the_same_bytes_are_the_same_release(state: State, tmp_path: Path) -> None:
    """Hash, number and folder, however often it is staged and from wherever."""
    first = Stager(state).stage(str(a_checkout(tmp_path / "a")))
    again = Stager(state).stage(str(a_checkout(tmp_path / "b")))
    assert (first.fresh, again.fresh) == (True, False)
    assert first.indexed == again.indexed
    assert [known.name for known in index(state)] == [f"r1 {release_hash(modules(ROOT))}"]
    assert left(state) == {".lock", "index.jsonl", first.indexed.release}


def of_another_time(checkout: Path) -> None:
    """As if it had been checked out long ago."""
    for path in checkout.rglob("*"):
        os.utime(path, (1, 1))


def of_another_owner(checkout: Path) -> None:
    """As if somebody else had checked it out."""
    for path in checkout.rglob("*"):
        os.chown(path, 65_534, 65_534)


def of_other_modes(checkout: Path) -> None:
    """As another umask makes it."""
    for path in checkout.rglob("*"):
        path.chmod(0o750)


def made_in_another_order(checkout: Path) -> None:
    """Last file first, so that the folders list them otherwise."""
    for path in sorted((path for path in checkout.rglob("*") if path.is_file()), reverse=True):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)


def compiled(checkout: Path) -> None:
    """As after a run of it, by more than one Python."""
    compileall.compile_dir(checkout, quiet=2)
    (checkout / "worker/__pycache__/strategy.cpython-399.pyc").write_bytes(b"of another Python")


@pytest.mark.parametrize(
    "changed", [of_another_time, of_another_owner, of_other_modes, made_in_another_order, compiled]
)
def test_a_release_is_its_content_and_nothing_else_of_its_files(
    state: State, tmp_path: Path, changed: Callable[[Path], None]
) -> None:
    """So it has the same hash on any machine."""
    checkout = a_checkout(tmp_path / "a")
    changed(checkout)
    assert stage(state, checkout).release == release_hash(modules(ROOT))


def test_numbers_count_up(state: State, tmp_path: Path) -> None:
    """Each release that differs has the next one."""
    names = [stage(state, another_checkout(tmp_path / str(n), n)).seq for n in range(3)]
    assert names == [1, 2, 3]


def test_a_staged_release_never_changes(state: State, tmp_path: Path) -> None:
    """Nobody may write, everything is compiled, and the manifest names what is there."""
    staged = stage(state, a_checkout(tmp_path / "a"))
    folder = state.releases / staged.release
    assert not any(path.stat().st_mode & 0o222 for path in (folder, *folder.rglob("*")))
    sources = list(folder.rglob("*.py"))
    assert all(list((path.parent / "__pycache__").glob(f"{path.stem}.cpython-*.pyc")) for path in sources)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest == {"release": staged.release, "modules": modules(folder)}
    assert manifest["modules"] == staged.modules == modules(ROOT)


def test_a_lock_has_one_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made once, from the cache that building our own left behind: without a network."""
    monkeypatch.setenv("UV_OFFLINE", "1")
    stager = Stager(State(tmp_path / "state"))
    first = stager.stage(str(another_checkout(tmp_path / "1", 1)))
    second = stager.stage(str(another_checkout(tmp_path / "2", 2)))
    assert first.indexed.lock == second.indexed.lock
    assert ("environment" in first.steps_ms, "environment" in second.steps_ms) == (True, False)
    assert [path.name for path in stager.state.environments.iterdir()] == [first.indexed.lock]


def test_a_lock_that_cannot_be_installed_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the installer's own last word; no half environment stays."""
    monkeypatch.setenv("UV_OFFLINE", "1")
    state = State(tmp_path / "state")
    lock = "requirements/worker.lock"
    checkout = a_checkout(tmp_path / "a", {lock: f"nobody-has-this==1.0 --hash=sha256:{'0' * 64}\n"})
    with pytest.raises(Rejected, match=r"^environment: "):
        stage(state, checkout)
    assert (left(state), list(state.environments.iterdir())) == ({".lock"}, [])


# --- what is refused ---

BROKEN = {
    "does not compile": ({STRATEGY: "def decide(\n"}, r"compile: worker/strategy\.py:1: '\(' was never closed"),
    "is no text": ({STRATEGY: "x = '\0'\n"}, r"compile: .*null bytes"),
    "imports what is not there": ({STRATEGY: "import numpy\n"}, "self-check: .*No module named 'numpy'"),
    "raises": (
        {STRATEGY: "def decide(view, tick):\n    raise ValueError('no idea')\n"},
        r"self-check: .*ValueError: no idea at worker/strategy\.py:2",
    ),
    "decides nothing that is a decision": (
        {STRATEGY: "def decide(view, tick):\n    return 'buy'\n"},
        r"self-check: .*BadFrame: .*Expected `array`, got `str`",
    ),
    "ends": ({STRATEGY: "import sys\nsys.exit(3)\n"}, "self-check: exit code 3"),
    "ends well and says nothing": ({STRATEGY: "import sys\nsys.exit(0)\n"}, "self-check: printed no report but ''"),
    "prints something else": ({MAIN: "print('all fine')\n"}, r"self-check: printed no report but 'all fine\\n'"),
    "prints no text": (
        {MAIN: "import sys\nsys.stdout.buffer.write(b'\\xff')\n"},
        "self-check: printed no report but '\ufffd'",
    ),
    "lies": (
        {MAIN: 'print(\'{"release":"000000000000"}\')\n'},
        "self-check: it says it is 000000000000, its files are",
    ),
    "prints for ever": (
        {MAIN: "while True:\n    print('x' * 1000)\n"},
        "self-check: it printed more than 1 MiB",
    ),
}


@pytest.mark.parametrize(("changes", "why"), BROKEN.values(), ids=BROKEN)
def test_a_broken_release_is_rejected_and_leaves_nothing(
    state: State, tmp_path: Path, changes: dict[str, str], why: str
) -> None:
    """The reason is in the text; no folder, no number."""
    with pytest.raises(Rejected, match=why):
        stage(state, a_checkout(tmp_path / "a", changes))
    assert (left(state), index(state)) == ({".lock"}, [])


def test_a_release_that_hangs_is_rejected_in_time(state: State, tmp_path: Path) -> None:
    """And ended."""
    checkout = a_checkout(tmp_path / "a", {MAIN: "while True:\n    pass\n"})
    with pytest.raises(Rejected, match=r"self-check: no answer in 0\.5 s"):
        Stager(state, self_check_s=0.5).stage(str(checkout))
    assert left(state) == {".lock"}


def test_a_release_that_hangs_is_told_so_by_a_stager_that_was_kept_waiting(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processor time it may use is up before we look at the clock again."""
    monkeypatch.setattr(release, "ends_within", lambda pid, seconds: ends_within(pid, PATIENCE_S))
    checkout = a_checkout(tmp_path / "a", {MAIN: "while True:\n    pass\n"})
    with pytest.raises(Rejected, match=r"self-check: no answer in 0\.5 s"):
        Stager(state, self_check_s=0.5).stage(str(checkout))


def test_what_a_release_starts_ends_with_its_self_check(state: State, tmp_path: Path) -> None:
    """A child it leaves behind neither holds staging up nor lives on."""
    main = "import subprocess, sys\nprint(subprocess.Popen(['sleep', '600']).pid, file=sys.stderr)\nsys.exit(1)\n"
    with pytest.raises(Rejected) as rejected:
        stage(state, a_checkout(tmp_path / "a", {MAIN: main}))
    child = Path("/proc") / str(rejected.value).rpartition(" ")[2]
    assert eventually(lambda: not _runs(child))


def _runs(child: Path) -> bool:
    """Whether a process, by its folder in /proc, is there and no zombie; it may go while it is looked at."""
    try:
        return ") Z " not in (child / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("part", ["worker", "shared", "requirements/worker.lock"])
def test_what_is_no_checkout_is_rejected(state: State, tmp_path: Path, part: str) -> None:
    """It says what is missing."""
    checkout = a_checkout(tmp_path / "a")
    (checkout / part).rename(tmp_path / "elsewhere")
    with pytest.raises(Rejected, match=f"is no checkout of Foresight, it lacks {part}"):
        stage(state, checkout)


# --- what it may be called ---


def test_a_git_revision_is_staged_as_it_was_committed(
    state: State, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever lies in the working folder, from anywhere in the repository."""
    (repository / STRATEGY).write_text("def broken(\n")
    monkeypatch.chdir(repository / "worker")
    staged = stage(state, "HEAD~2")
    assert staged.release == release_hash(modules(ROOT))
    assert (staged.git, staged.source) == (git(repository, "rev-parse", "HEAD~2"), "HEAD~2")
    assert left(state) == {".lock", "index.jsonl", staged.release}


@pytest.mark.parametrize(("key", "value"), [("core.autocrlf", "true"), ("core.eol", "crlf"), ("tar.umask", "0777")])
def test_a_revision_is_the_same_release_however_git_is_set(
    state: State, repository: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    """Whatever a machine does to the files it checks out, a commit's bytes are what is staged."""
    attributes = repository.parent / "attributes"
    attributes.write_text("*.py text export-subst\n")
    settings = {key: value, "core.attributesFile": str(attributes)}
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for number, (name, set_to) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", set_to)
    monkeypatch.chdir(repository)
    assert stage(state, "HEAD~2").release == release_hash(modules(ROOT))


def test_a_checkout_names_its_commit(state: State, repository: Path) -> None:
    """With a + when its files are not the committed ones."""
    clean = stage(state, repository)
    with (repository / STRATEGY).open("a") as file:
        file.write("# more\n")
    dirty = stage(state, repository)
    commit = git(repository, "rev-parse", "HEAD")
    assert (clean.git, dirty.git) == (commit, f"{commit}+")
    assert clean.release != dirty.release


def test_a_revision_without_a_release_is_rejected(
    state: State, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit from before there was one."""
    git(repository, "rm", "-r", "--quiet", "worker")
    git(repository, "commit", "--quiet", "--message", "no worker")
    monkeypatch.chdir(repository)
    with pytest.raises(Rejected, match=r"HEAD has no shared, worker and requirements/worker\.lock"):
        stage(state, "HEAD")
    assert left(state) == {".lock"}


@pytest.mark.parametrize("name", ["nothing-of-that-name", "r9", "0123456789ab", "--output=x", "HEAD"])
def test_an_unknown_name_is_not_found(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Outside a repository no revision is, either."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match=f"'{name}' is no folder here, no git revision, and no staged release"):
        stage(state, name)
    assert (left(state), list(tmp_path.iterdir())) == ({".lock"}, [])


def test_no_name_at_all_is_not_the_working_folder(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline's variable that is empty must not ship whatever is there."""
    monkeypatch.chdir(ROOT)
    with pytest.raises(NotFound, match="nothing was named"):
        stage(state, "")


def test_a_staged_release_is_found_by_number_and_hash(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without being made again."""
    first, second = (stage(state, another_checkout(tmp_path / str(n), n)) for n in (1, 2))
    monkeypatch.chdir(tmp_path)
    assert [stage(state, "r2"), stage(state, second.release), stage(state, first.release[:6])] == [
        second,
        second,
        first,
    ]
    assert Stager(state).stage("r1").fresh is False


def test_a_hash_that_could_be_two_releases_is_neither(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are named."""
    lines = [json.dumps(a_line(seq, f"abcd0000000{seq}")) + "\n" for seq in (1, 2)]
    write_index(state, "".join(lines))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match="'abcd' could be r1 abcd00000001, r2 abcd00000002; name more of the hash"):
        stage(state, "abcd")
    known = find(state, "abcd00000002")
    assert known is not None and known.seq == 2
    assert find(state, "abc") is None


def test_a_release_whose_folder_is_gone_is_not_found(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its number it cannot be had; from its source it is made again, under that number."""
    staged = stage(state, a_checkout(tmp_path / "a"))
    make_writable(state.releases / staged.release)
    shutil.rmtree(state.releases / staged.release)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match=f"r1 {staged.release} was staged here once and its folder is gone"):
        stage(state, "r1")
    again = Stager(state).stage("a")
    assert (again.indexed, again.fresh, len(index(state))) == (staged, True, 1)


# --- what can happen meanwhile ---


def test_a_release_that_was_damaged_is_made_again(state: State, tmp_path: Path) -> None:
    """The name promises the content: what is there is read before it is believed."""
    staged = stage(state, a_checkout(tmp_path / "a"))
    file = state.releases / staged.release / STRATEGY
    make_writable(state.releases / staged.release)
    file.write_text("")
    again = Stager(state).stage(str(tmp_path / "a"))
    assert (again.indexed, again.fresh) == (staged, True)
    assert file.read_text() == (ROOT / STRATEGY).read_text()


def test_many_stagers_at_once_make_one_release(state: State, tmp_path: Path) -> None:
    """Real processes, all of them right."""
    checkout = a_checkout(tmp_path / "a")
    code = STAGE + "s = Stager(State(Path(sys.argv[1]))).stage(sys.argv[2]); print(s.indexed.name, s.fresh)"
    command = [sys.executable, "-c", code, str(state.root), str(checkout)]
    stagers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = sorted(stager.communicate()[0].strip() for stager in stagers)
    name = f"r1 {release_hash(modules(ROOT))}"
    assert said == [f"{name} False"] * 3 + [f"{name} True"]
    assert len(index(state)) == 1


@pytest.mark.parametrize("step", ["fingerprint", "copy", "compile", "self_check"])
def test_a_stager_killed_at_any_step_leaves_no_half_release(state: State, tmp_path: Path, step: str) -> None:
    """SIGKILL: the next one sweeps up and stages."""
    checkout = a_checkout(tmp_path / "a")
    code = (
        "import os, signal\n"
        + STAGE
        + "die = lambda step: os.kill(os.getpid(), signal.SIGKILL * (step == sys.argv[3]))"
        "\nStager(State(Path(sys.argv[1])), progress=die).stage(sys.argv[2])"
    )
    command = [sys.executable, "-c", code, str(state.root), str(checkout), step]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert index(state) == []
    staged = Stager(state).stage(str(checkout))
    assert staged.fresh
    assert left(state) == {".lock", "index.jsonl", staged.indexed.release}


def test_a_killed_stagers_environment_is_swept_up(tmp_path: Path) -> None:
    """Half of it is no environment."""
    state = State(tmp_path / "state")
    code = (
        "import os, signal, deploy.release\n" + STAGE + "made = deploy.release._make_environment\n"
        "deploy.release._make_environment = lambda *a: (made(*a), os.kill(os.getpid(), signal.SIGKILL))\n"
        "Stager(State(Path(sys.argv[1]))).stage(sys.argv[2])"
    )
    command = [sys.executable, "-c", code, str(state.root), str(a_checkout(tmp_path / "a"))]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert [path.name.startswith(".aside-") for path in state.environments.iterdir()] == [True]
    staged = stage(state, tmp_path / "a")
    assert [path.name for path in state.environments.iterdir()] == [staged.lock]


def test_a_release_that_was_renamed_and_never_numbered_gets_its_number(state: State, tmp_path: Path) -> None:
    """Killed between the two: it is whole, so it is taken as it is."""
    staged = stage(state, a_checkout(tmp_path / "a"))
    inode = (state.releases / staged.release).stat().st_ino
    (state.releases / "index.jsonl").unlink()
    again = Stager(state).stage(str(tmp_path / "a"))
    assert (again.indexed.name, again.fresh) == (staged.name, True)
    assert (state.releases / staged.release).stat().st_ino == inode
    assert "self_check" not in again.steps_ms


@pytest.mark.parametrize("torn", [b'{"seq":2,"release":"abc', b'{"seq":2}\n\xff\xfe', b"\0\0\0\0"])
def test_a_torn_index_line_spoils_no_other(state: State, tmp_path: Path, torn: bytes) -> None:
    """What a crash of the machine left is passed over, and the next line begins on its own."""
    first = stage(state, another_checkout(tmp_path / "1", 1))
    with (state.releases / "index.jsonl").open("ab") as file:
        file.write(torn)
    second = stage(state, another_checkout(tmp_path / "2", 2))
    assert index(state) == [first, second]
    assert (second.seq, find(state, "r2")) == (2, second)


def test_a_full_disk_is_an_error_and_leaves_nothing(state: State, tmp_path: Path) -> None:
    """The kernel takes 8 kB of a file and no more: no release, and the next staging works."""
    checkout = a_checkout(tmp_path / "a")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            stage(state, checkout)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert left(state) == {".lock"}
    assert stage(state, checkout).seq == 1


def a_line(seq: int, release: str) -> dict[str, object]:
    """A line of the index."""
    return {"seq": seq, "release": release, "lock": "l", "modules": {}, "staged_wall_ns": 1, "source": "."}


def write_index(state: State, text: str) -> None:
    """An index as it is on disk."""
    state.releases.mkdir()
    (state.releases / "index.jsonl").write_text(text)


def make_writable(folder: Path) -> None:
    """What staging never does."""
    for path in (folder, *folder.rglob("*")):
        os.chmod(path, 0o755)
