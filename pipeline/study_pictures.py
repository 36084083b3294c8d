"""Pictures of a study: what was tried, what came of it, and which params matter.

Drawn here, with Optuna's numbers: Optuna's own matplotlib pictures change the process-wide style of all other
pictures, need pyplot, which belongs to the main thread, put all panels in one row and cut long names.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.report import BLUE, figure, save
from pipeline.study_axes import light, literal
from pipeline.study_curves import history, learning_curves
from pipeline.study_facts import View, objectives_of, view_of
from pipeline.study_front import pareto
from pipeline.study_panels import parallel_coordinates, slices

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from optuna.study import Study

FEWEST = 4  # complete trials; of fewer, the best tenth says nothing about importance
ENOUGH = 50  # from then on the best tenth are five trials, as Optuna advises

Picture = Callable[[View], "Figure | None"]
PICTURES: dict[str, Picture] = {
    "history.png": history,
    "slices.png": slices,
    "parallel_coordinates.png": parallel_coordinates,
    "pareto.png": pareto,
    "learning_curves.png": learning_curves,
}


def draw(study: "Study", folder: Path) -> list[Path]:
    """Writes the pictures for which there are trials enough, and removes older ones of the others.

    The same trials give the same bytes. Two objectives: all but `pareto.png` are about the first.

    Returns:
        The files written, in the order in which they are best looked at.
    """
    objectives = objectives_of(study)
    view = view_of(study.get_trials(deepcopy=False), objectives)
    drawn = {name: make(view) for name, make in PICTURES.items()} | {"importances.png": importances(study, view)}
    for name, picture in drawn.items():
        if picture is None:
            (folder / name).unlink(missing_ok=True)
        else:
            save(picture, folder / name)
    return [folder / name for name, picture in drawn.items() if picture is not None]


def importances(study: "Study", view: View) -> "Figure | None":
    """A bar per param: its share in what makes a trial one of the best tenth, by PED-ANOVA."""
    shares = _shares(study, view)
    if not shares:
        return None
    names = sorted(shares, key=lambda name: (shares[name], name))
    drawn = figure(8, 1.3 + 0.34 * len(names))
    axes = drawn.subplots()
    bars = axes.barh(range(len(names)), [shares[name] for name in names], color=BLUE)
    axes.bar_label(bars, [f"{shares[name]:.{0 if shares[name] >= 0.095 else 1}%}" for name in names], padding=4)
    axes.set_yticks(range(len(names)), [literal(name) for name in names])
    axes.set_xlim(0, 1.12 * max(shares.values()))
    axes.margins(y=0.03)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    count = len(view.complete)
    rough = "" if count >= ENOUGH else f": a rough guess below {ENOUGH}"
    drawn.suptitle(f"What {literal(view.objectives[0].name)} depends on", x=0.01, ha="left")
    axes.set_xlabel(f"importance (PED-ANOVA, {count} complete trials{rough})")
    light(axes)
    return drawn


def _shares(study: "Study", view: View) -> dict[str, float]:
    """Importances that add up to 1; none where there are too few trials, or too equal ones, to tell."""
    from optuna.importance import get_param_importances

    values: dict[str, set[object]] = {}
    for trial in view.complete:
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(value)
    # In order: Optuna's own list of names comes from a set, whose order changes from process to process.
    names = sorted(name for name, seen in values.items() if len(seen) > 1)
    unlike = len({trial.values[0] for trial in view.complete}) > 1
    if len(view.complete) < FEWEST or len(names) < 2 or not unlike:
        return {}
    sign = -1.0 if view.objectives[0].higher_is_better else 1.0
    # Given a target, Optuna takes less for better, and warns that it does; of one objective it knows the direction.
    target = None if len(view.objectives) == 1 else (lambda trial: sign * trial.values[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shares = get_param_importances(study, params=names, target=target)
    # Equal shares are what it says where it cannot tell.
    return {} if len(set(shares.values())) == 1 else shares
