"""Pictures of many requests answered together: each gets its own, in order, whatever its neighbours are."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from pipeline import keras_setup
from pipeline.classifier import Classifier
from pipeline.serving_batches import Batches, Full, likelihoods
from tests.serving import pictures


class Recorded:
    """A network that tells a picture's first pixel, and remembers how many it was given at once."""

    input_shape = (None, 8, 8, 1)

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.go, self.at_work = threading.Event(), threading.Event()
        self.go.set()

    def predict_on_batch(self, pixels: Any) -> Any:
        self.at_work.set()
        self.go.wait()
        self.counts.append(len(pixels))
        if (pixels[0] == 13).all():
            raise RuntimeError("unlucky")
        return pixels[:, 0, 0, 0, None].astype(np.float32)


def classifier(model: Any) -> Classifier:
    return Classifier(model, ["one"], "recorded")


def test_each_request_gets_its_own_rows_in_order() -> None:
    batches, asked = Batches(10_000), classifier(Recorded())
    groups = [pictures(count, seed=count) for count in (1, 2, 40, 5, 33, 7) * 5]
    with ThreadPoolExecutor(8) as pool:
        futures = list(pool.map(lambda group: batches.ask(asked, group), groups))
    for group, future in zip(groups, futures, strict=True):
        assert future.result(10)[:, 0].tolist() == [pixels[0, 0, 0] for pixels in group]
    batches.close()


def test_requests_that_wait_are_answered_together_in_few_shapes() -> None:
    model = Recorded()
    batches, asked = Batches(100), classifier(model)
    model.go.clear()
    futures = [batches.ask(asked, pictures(1)) for _ in range(1 + 32 + 3)]
    model.go.set()
    assert all(future.result(10).shape == (1, 1) for future in futures)
    assert len(model.counts) < 10 and max(model.counts) <= asked.batch
    assert all(count & (count - 1) == 0 for count in model.counts)
    batches.close()


def test_requests_for_two_classifiers_are_never_mixed() -> None:
    batches, one, other = Batches(100), Recorded(), Recorded()
    one.go.clear()
    pairs = [(batches.ask(classifier(one), pictures(1)), batches.ask(classifier(other), pictures(2))) for _ in range(4)]
    one.go.set()
    assert all(len(a.result(10)) == 1 and len(b.result(10)) == 2 for a, b in pairs)
    assert (sum(one.counts), sum(other.counts)) == (4, 8)
    batches.close()


def test_a_failure_is_told_to_who_asked_and_to_nobody_else() -> None:
    batches, asked = Batches(100), classifier(Recorded())
    with pytest.raises(RuntimeError, match="unlucky"):
        batches.ask(asked, [np.full((8, 8, 1), 13, np.uint8)]).result(10)
    assert len(batches.ask(asked, pictures(3)).result(10)) == 3
    batches.close()


def test_a_request_that_was_given_up_does_not_stop_the_others() -> None:
    model = Recorded()
    batches, asked = Batches(100), classifier(model)
    model.go.clear()
    futures = [batches.ask(asked, pictures(1)) for _ in range(6)]
    assert futures[-2].cancel()
    model.go.set()
    assert len(futures[-1].result(10)) == 1
    batches.close()


def test_what_waits_is_bounded() -> None:
    model = Recorded()
    batches, asked = Batches(4), classifier(model)
    model.go.clear()
    futures = [batches.ask(asked, pictures(3))]
    assert model.at_work.wait(10)
    futures.append(batches.ask(asked, pictures(3)))
    with pytest.raises(Full):
        batches.ask(asked, pictures(2))
    model.go.set()
    assert all(len(future.result(10)) == 3 for future in futures)
    batches.close()


def test_likelihoods_are_those_of_whole_batches_to_a_millionth() -> None:
    keras_setup.deterministic(0, 2)
    import keras

    inputs = keras.Input((8, 8, 1))
    outputs = keras.layers.Dense(5, activation="softmax")(
        keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    )
    asked = Classifier(keras.Model(inputs, outputs), list("abcde"), "a network")
    pixels = pictures(70)
    found = likelihoods(asked, pixels)
    whole = np.concatenate([asked.likelihoods(np.stack(pixels[start : start + 32])) for start in (0, 32, 64)])
    np.testing.assert_allclose(found, whole, atol=1e-6)
