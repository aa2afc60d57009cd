"""How covariance models decide by default, chosen on the shared people (docs/models.md says how, and what it is worth).

Thresholds are of probabilities after a temperature that was fitted on held-out repetitions.
"""

from __future__ import annotations

from app.inference.decision_rule import DecisionRule

RULE = DecisionRule(enter=0.6, leave=0.2, change=0.3)

# Logit of rest over each gesture's beside equal priors. People rest more than half of the time; half a nat costs no
# balanced accuracy, and takes a seventh of the false activations and of the time until rest.
REST_LEAN = 0.5
