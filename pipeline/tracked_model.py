"""The trained model in MLflow: Keras flavour, signature, input example, pinned requirements, our very bytes."""

import contextlib
import io
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline import canonical, machine
from pipeline.files import file_digest

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOGGED_TAG = "reprolens.logged_model_md5"
REQUIRED = ("tensorflow-cpu", "tensorflow", "keras", "numpy")


class CanonicalKeras:
    """A model flavour for MLflow's `Model.log`: the Keras flavour around the canonical file."""

    @staticmethod
    def save_model(path: str, mlflow_model: Any, file: Path, **facts: Any) -> None:
        """Called by MLflow with the folder to fill."""
        import mlflow.keras

        Path(path).mkdir(parents=True, exist_ok=True)
        mlflow.keras.save_model(path=path, mlflow_model=mlflow_model, **facts)
        shutil.copyfile(file, Path(path) / "data" / "model.keras")


def log_model(client: "MlflowClient", run_id: str, file: Path) -> None:
    """Logs the canonical `.keras` file to a run, unless the same bytes are there already."""
    digest = file_digest(file, "md5")
    run = client.get_run(run_id)
    if run.data.tags.get(LOGGED_TAG) == digest:
        return
    model, _ = canonical.load(file)
    example: NDArray[np.uint8] = np.zeros((1, *model.input_shape[1:]), np.uint8)
    # MLflow tries the example out: Keras's progress bars and NumPy's deprecations are not for the user.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        import mlflow
        from mlflow.models import Model, infer_signature

        mlflow.set_tracking_uri(client.tracking_uri)
        mlflow.set_experiment(experiment_id=run.info.experiment_id)  # else the model lands in "Default"
        Model.log(
            artifact_path=None,
            name="model",
            flavor=CanonicalKeras,
            run_id=run_id,
            model=model,
            file=file,
            signature=infer_signature(example, model.predict(example, verbose=0)),
            input_example=example,
            pip_requirements=_requirements(),
        )
    client.set_tag(run_id, LOGGED_TAG, digest)


def _requirements() -> list[str]:
    installed = machine.versions()
    return [f"{name}=={installed[name]}" for name in REQUIRED if name in installed]
