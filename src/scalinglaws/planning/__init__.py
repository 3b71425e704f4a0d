"""From a fitted law to a decision: what to train with a budget, what a loss costs, which run wins.

Every function takes the same *source*: a law, the name of a published one, a fit, its bootstrap,
or the `Evidence` that `evidence` makes of any of these. A fit is resampled once, and the same
resampled laws serve all quantities, so that params, tokens and loss of one plan belong together
and differences between runs are paired. A bare law gives points without intervals, and says so.
"""

from scalinglaws.planning.estimates import Estimate, SourceError
from scalinglaws.planning.evidence import (
    Evidence,
    Source,
    evidence,
    fit_evidence,
    read_evidence,
)
from scalinglaws.planning.limits import LimitedPlan, plan_limited
from scalinglaws.planning.plans import Bill, Plan, cost_of_loss, plan
from scalinglaws.planning.recommendation import NearOptimal, Recommendation, near_optimal, recommend
from scalinglaws.planning.verdicts import (
    Assessment,
    Comparison,
    Upgrade,
    assess,
    compare_runs,
    price_of_next,
)

__all__ = [
    "Assessment",
    "Bill",
    "Comparison",
    "Estimate",
    "Evidence",
    "LimitedPlan",
    "NearOptimal",
    "Plan",
    "Recommendation",
    "Source",
    "SourceError",
    "Upgrade",
    "assess",
    "compare_runs",
    "cost_of_loss",
    "evidence",
    "fit_evidence",
    "near_optimal",
    "plan",
    "plan_limited",
    "price_of_next",
    "read_evidence",
    "recommend",
]
