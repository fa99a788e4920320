"""The index: what the journal says as tables, for reports, exports and questions.

    from deploy.analysis.index import open_index
    open_index(State(folder)).execute("SELECT release, SUM(net_micro) FROM trades GROUP BY release")

`schema` says what each column holds, `trades` who earned what, `fold` and `money` what each journal entry adds, `store`
keeps the file. It runs outside the supervisor, which neither knows it nor waits for it.
"""

from deploy.analysis.index.schema import SCHEMA_VERSION as SCHEMA_VERSION
from deploy.analysis.index.schema import TABLES as TABLES
from deploy.analysis.index.store import IndexBusy as IndexBusy
from deploy.analysis.index.store import IndexForbidden as IndexForbidden
from deploy.analysis.index.store import IndexUnwritable as IndexUnwritable
from deploy.analysis.index.store import JournalUnreadable as JournalUnreadable
from deploy.analysis.index.store import NoJournal as NoJournal
from deploy.analysis.index.store import digest as digest
from deploy.analysis.index.store import open_index as open_index
from deploy.analysis.index.store import update as update
