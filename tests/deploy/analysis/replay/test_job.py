"""deploy.analysis.replay.job: plain values that travel."""

from __future__ import annotations

import pickle

import msgspec

from deploy.analysis.replay.job import Job, Result


def test_jobs_and_results_travel_as_json_and_by_pickle() -> None:
    """What comes out is what went in: another process or machine plays the same."""
    job = Job(release="r", tape="t", parameters={"stake_usd": 5.5, "mode": "off"}, to_seq=9, fills="rehearsal", seed=3)
    result = Result(ticks=2, frames=9, decisions="ab", state="cd", net_micro=-7, holes=((3, 5),))
    for value in (job, result):
        assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value
        assert pickle.loads(pickle.dumps(value)) == value
