"""The gate: each line of its rule, what it refuses, and that its error rates are the stated ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from benchmarks.gate import Setting, share
from pipeline.class_floor import losses
from pipeline.errors import UserError
from pipeline.gate import Decision, Evidence, Side, decide
from pipeline.gate_findings import Finding
from pipeline.mcnemar import exact_p
from pipeline.paired_bootstrap import ROOM, Pairs, interval, one_sided_p, sign_p, strata_of
from pipeline.params import Params
from pipeline.promote_params import Promote

NONE_LEFT_OUT = {"champion": 0, "candidate": 0, "both": 0}
Make = Callable[..., Params]


@pytest.fixture
def rule(make_params: Make) -> Promote:
    """The rule as it ships."""
    return make_params().promote


def side(labels: Sequence[int], guesses: Sequence[int], sure: float = 0.9, **changes: Any) -> Side:
    """Answers to images of three classes, each as sure."""
    probabilities = np.full((len(labels), 3), (1 - sure) / 2)
    probabilities[np.arange(len(labels)), guesses] = sure
    return Side(**{"called": "a model", "megabytes": 1.0, "milliseconds": 2.0, **changes}, labels=np.array(labels),
                probabilities=probabilities)  # fmt: skip


def evidence(*counts: tuple[int, int, int, int], **changes: Any) -> Evidence:
    """Images of each class by who is right: both, only the candidate, only the champion, neither."""
    labels, candidate, champion = [], [], []
    for label, of_class in enumerate(counts):
        for count, (one, other) in zip(of_class, ((0, 0), (0, 1), (1, 0), (1, 2))):
            labels += [label] * count
            candidate += [(label + one) % 3] * count
            champion += [(label + other) % 3] * count
    hashes = [f"{number:064x}" for number in range(len(labels))]
    found = Evidence(side(labels, candidate), side(labels, champion), ["a", "b", "c"], hashes, NONE_LEFT_OUT)
    return replace(found, **changes)


BETTER = evidence((900, 60, 20, 20), (900, 60, 20, 20), (900, 60, 20, 20))


def found(decision: Decision) -> dict[str, Finding]:
    return {finding.name: finding for finding in decision.findings}


def failed(decision: Decision) -> set[str]:
    return {finding.name for finding in decision.findings if not finding.passed}


def test_a_better_candidate_is_promoted(rule: Promote) -> None:
    decision = decide(rule, BETTER)
    assert decision.promoted and not failed(decision)
    assert list(found(decision)) == ["images", "gain", "chance", "interval", "classes", "calibration"]
    assert found(decision)["gain"].value == pytest.approx(0.04)
    assert found(decision)["gain"].text == "accuracy 0.9600 against 0.9200: +0.0400, more than 0 needed"
    assert decision.numbers["classes"]["b"] == {"images": 1000, "only_candidate": 60, "only_champion": 20, "p": 1.0}


def test_the_images_on_which_the_two_differ_are_named(rule: Promote) -> None:
    decision = decide(rule, evidence((97, 1, 0, 0), (97, 0, 1, 0), (97, 0, 0, 1)))
    guesses = [(item.label, item.candidate, item.champion) for item in decision.differing]
    assert guesses == [("a", "a", "b"), ("b", "c", "b"), ("c", "a", "b")]
    assert decision.differing[0].hash == f"{97:064x}" and decision.numbers["differing"] == 3


@pytest.mark.parametrize(("more", "fewer", "promoted"), [(5, 0, True), (4, 0, False), (60, 42, True), (60, 45, False)])
def test_a_gain_that_may_be_luck_is_no_gain(rule: Promote, more: int, fewer: int, promoted: bool) -> None:
    decision = decide(rule, evidence((1000, more, fewer, 100)))
    assert decision.promoted == promoted == (exact_p(more, fewer) / 2 <= 0.05)


def test_the_same_model_again_is_not_promoted(rule: Promote) -> None:
    assert failed(decide(rule, evidence((500, 0, 0, 20)))) == {"gain", "chance", "interval"}


def test_a_real_gain_below_the_least_gain_is_not_enough(rule: Promote) -> None:
    decision = decide(rule.model_copy(update={"least_gain": 0.035}), BETTER)
    assert failed(decision) == {"interval"} and found(decision)["gain"].value == pytest.approx(0.04)


def test_a_class_that_is_let_down_keeps_a_better_candidate_out(rule: Promote) -> None:
    worse = evidence((900, 30, 0, 70), (900, 30, 0, 70), (150, 0, 20, 30))
    assert failed(decide(rule, worse)) == {"classes"}
    assert "fell by more than 0.05 recall: c -0.1000 (p < 0.0001)" in found(decide(rule, worse))["classes"].text
    assert decide(rule.model_copy(update={"class_floor": 0.1}), worse).promoted
    assert "classes" not in found(decide(rule.model_copy(update={"class_floor": 1.0}), worse))


def test_a_class_that_fell_within_noise_is_named_and_does_no_harm(rule: Promote) -> None:
    decision = decide(rule, evidence((900, 30, 0, 70), (900, 30, 0, 70), (15, 0, 3, 2)))
    assert decision.promoted and "within noise: c -0.1500 (p = 1)" in found(decision)["classes"].text


def test_a_class_without_images_harms_nothing(rule: Promote) -> None:
    balanced = rule.model_copy(update={"metric": "balanced_accuracy"})
    decision = decide(balanced, evidence((900, 60, 20, 20), (900, 60, 20, 20)))
    assert decision.promoted and decision.numbers["candidate"]["balanced_accuracy"] == pytest.approx(0.96)


def test_worse_calibration_keeps_a_better_candidate_out(rule: Promote) -> None:
    labels = BETTER.candidate.labels.tolist()
    timid = side(labels, BETTER.candidate.probabilities.argmax(axis=1).tolist(), sure=0.5)
    decision = decide(rule, replace(BETTER, candidate=timid))
    assert failed(decision) == {"calibration"} and found(decision)["calibration"].value == pytest.approx(0.44, abs=0.01)
    assert decide(rule.model_copy(update={"calibration": 1.0}), replace(BETTER, candidate=timid)).promoted


@pytest.mark.parametrize(("budget", "name"), [("max_megabytes", "megabytes"), ("max_milliseconds", "milliseconds")])
def test_budgets_hold_with_and_without_a_champion(rule: Promote, budget: str, name: str) -> None:
    for case in (BETTER, replace(BETTER, champion=None)):
        assert failed(decide(rule.model_copy(update={budget: 0.5}), case)) == {name}
        assert decide(rule.model_copy(update={budget: 2.0}), case).promoted


def test_the_first_candidate_needs_only_images_and_budgets(rule: Promote) -> None:
    decision = decide(rule, evidence((0, 0, 100, 100), champion=None))
    assert decision.promoted and list(found(decision)) == ["images", "champion"]
    assert decision.numbers["champion"] is None and decision.differing == ()


def test_copies_of_an_image_count_once(rule: Promote) -> None:
    case = evidence((290, 10, 0, 0))
    hashes = [*case.hashes[:290], *[case.hashes[290]] * 10]
    decision = decide(rule, replace(case, hashes=hashes))
    assert (decision.numbers["images"], decision.numbers["copies"], decision.numbers["differing"]) == (291, 9, 1)
    assert decide(rule, case).promoted and not decision.promoted


def test_balanced_accuracy_counts_each_class_the_same(rule: Promote) -> None:
    mixed = evidence((900, 90, 0, 10), (40, 0, 12, 8), (40, 0, 12, 8))
    bare = rule.model_copy(update={"class_floor": 1.0, "calibration": 1.0})
    by_images, by_classes = decide(bare, mixed), decide(bare.model_copy(update={"metric": "balanced_accuracy"}), mixed)
    assert by_images.promoted and failed(by_classes) == {"gain", "chance", "interval"}
    assert found(by_classes)["gain"].value == pytest.approx((0.09 - 0.2 - 0.2) / 3)


def test_one_image_of_a_small_class_is_no_certainty(rule: Promote) -> None:
    balanced = rule.model_copy(update={"metric": "balanced_accuracy"})
    decision = decide(balanced, evidence((500, 0, 0, 50), (500, 0, 0, 50), (0, 1, 0, 0)))
    assert failed(decision) == {"chance"} and found(decision)["interval"].value == pytest.approx(1 / 3)


def test_a_decision_is_the_same_each_time(rule: Promote) -> None:
    assert decide(rule, BETTER) == decide(rule, BETTER)


def test_too_few_images_decide_nothing(rule: Promote) -> None:
    left_out = {"champion": 300, "candidate": 2, "both": 0}
    with pytest.raises(
        UserError, match=r"60 of 362 test images can be used, but promote.least_images is 100; "
    ) as told:
        decide(rule, evidence((60, 0, 0, 0), left_out=left_out))
    assert "300 of the training or validation data of the champion alone, 2 of" in str(told.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"least_images": 3001}, "promote.least_images is 3,001, but the test split has 3,000 images"),
        ({"least_gain": 0.09}, "promote.least_gain is 0.09, but the champion, a model, already has accuracy 0.9200"),
        ({"level": 0.001}, "promote.level is 0.001, .* 2000 resamples .*: set promote.bootstrap to at least 10000"),
        ({"level": 1e-6}, "no candidate can meet the rule: set promote.level to 1e-05 or more"),
    ],
)
def test_a_rule_that_nobody_can_meet_says_so(rule: Promote, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        decide(rule.model_copy(update=changes), BETTER)


def test_a_champion_without_a_mistake_leaves_no_room_for_a_least_gain(rule: Promote) -> None:
    with pytest.raises(UserError, match=r"already has accuracy 1\.0000, so no candidate can meet the rule: add test"):
        decide(rule.model_copy(update={"least_gain": 0.01}), evidence((300, 0, 0, 0)))


def test_answers_that_are_no_numbers_are_refused(rule: Promote) -> None:
    broken = BETTER.candidate.probabilities.copy()
    broken[:7, 0] = np.nan
    with pytest.raises(UserError, match="a model answers 7 of 3,000 test images with what is no number"):
        decide(rule, replace(BETTER, candidate=replace(BETTER.candidate, probabilities=broken)))


def test_a_budget_of_time_needs_a_time(rule: Promote) -> None:
    untimed = replace(BETTER, candidate=replace(BETTER.candidate, milliseconds=None))
    with pytest.raises(UserError, match="max_milliseconds is 5, but nobody measured how long a model takes"):
        decide(rule.model_copy(update={"max_milliseconds": 5.0}), untimed)
    assert decide(rule, untimed).promoted


def test_a_champion_with_too_few_mistakes_to_be_beaten_is_kept(rule: Promote) -> None:
    decision = decide(rule, evidence((297, 3, 0, 0)))
    assert "chance" in failed(decision) and "wrong on 3 images, so not even" in found(decision)["chance"].text
    assert failed(decide(rule, evidence((300, 0, 0, 0)))) == {"gain", "chance", "interval"}


def test_the_one_sided_test_is_half_of_the_two_sided_and_counts_ties() -> None:
    for more, fewer in ((5, 0), (34, 12), (2900, 100)):
        p = one_sided_p(np.array(more), np.array(fewer))
        assert p == pytest.approx(exact_p(more, fewer) / 2, rel=1e-9)
    assert one_sided_p(np.array([0, 1, 0]), np.array([0, 0, 1])) == pytest.approx([1, 0.5, 1])


def test_random_signs_are_mcnemars_test_where_images_weigh_alike() -> None:
    for more, fewer in ((8, 2), (30, 20), (3, 9)):
        strata = strata_of(Pairs(np.array([200]), np.array([more]), np.array([fewer])), "balanced_accuracy")
        exact = float(one_sided_p(np.array(more), np.array(fewer)))
        assert sign_p(strata, 0.0, 200_000, 0) == pytest.approx(exact, abs=0.004)


def test_the_interval_is_that_of_images_drawn_one_by_one() -> None:
    gains = np.repeat([1, -1, 0], [30, 12, 158])
    random = np.random.default_rng(0)
    plain = np.quantile(random.choice(gains, (20_000, 200)).mean(axis=1), [0.05, 0.95])
    strata = strata_of(Pairs(np.array([200]), np.array([30]), np.array([12])), "accuracy")
    assert interval(strata, 0.05, 20_000, 1) == pytest.approx(plain, abs=0.0051)  # the step of a quantile is 1/200


def test_resamples_that_need_several_parts_are_all_drawn() -> None:
    images = np.full(1000, 20)
    strata = strata_of(Pairs(images, np.full(1000, 4), np.full(1000, 2)), "balanced_accuracy")
    resamples = ROOM // 3000 * 2 + 7
    low, high = interval(strata, 0.05, resamples, 0)
    assert low < 0.1 < high and high - low == pytest.approx(2 * 1.645 * (0.29 / 20_000) ** 0.5, rel=0.2)


def test_holm_keeps_luck_in_one_of_many_classes_from_deciding() -> None:
    one_of_many = Pairs(np.full(50, 100), np.full(50, 10), np.array([22, *[10] * 49]))
    alone = Pairs(np.array([100]), np.array([10]), np.array([22]))
    assert not losses(one_of_many, 0.05, 0.05).real and losses(alone, 0.05, 0.05).real
    assert losses(one_of_many, 0.05, 0.05).noise[0].lost == pytest.approx(0.12)


def test_classes_that_cannot_show_anything_take_no_power_from_the_others() -> None:
    with_empty = Pairs(np.full(50, 100), np.zeros(50, int), np.array([9, *[1] * 49]))
    assert losses(with_empty, 0.05, 0.05).num_tested == 1 and losses(with_empty, 0.05, 0.05).real


def test_no_better_candidates_are_promoted_as_rarely_as_stated(rule: Promote) -> None:
    settings = [Setting(300, accuracy, 0.0, overlap, False) for accuracy, overlap in product((0.7, 0.9), (0.2, 0.8))]
    rows = [share(rule, setting, 100, seed) for seed, setting in enumerate(settings)]
    promoted = sum(row["promoted"] for row in rows)
    assert 0 < promoted <= 0.05 * 400 + 9  # two standard deviations


def test_two_points_on_10000_images_are_seen(rule: Promote) -> None:
    row = share(rule, Setting(10_000, 0.9, 0.02, 0.2, True), 40, 0)
    assert row["promoted"] >= 38
