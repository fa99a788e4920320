"""A recorded tape through a release's own code: what it decided, or what it would have earned.

`replayed(job)` runs one job in whatever process calls it; a job and its result are plain values that travel as JSON.
"""

from deploy.analysis.replay.engine import replayed
from deploy.analysis.replay.job import Fills, Job, Result

__all__ = ["Fills", "Job", "Result", "replayed"]
