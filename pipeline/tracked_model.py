"""The trained model in MLflow: Keras flavour and one that reads pictures, pinned requirements, our very bytes."""

import base64
import contextlib
import io
import shutil
import warnings
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from pipeline import canonical, pyfunc_model
from pipeline.errors import UserError, one_line
from pipeline.files import file_digest
from pipeline.request_pictures import COLUMN

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.models import ModelSignature

LOGGED_TAG = "reprolens.logged_model_md5"
REQUIRED = ("tensorflow-cpu", "tensorflow", "keras", "numpy", "mlflow", *pyfunc_model.REQUIRED)
# Where the canonical file lies inside a logged model, and the modules that read pictures.
FOLDER, FILE, CODE = "data", f"data/{pyfunc_model.FILE}", "code"
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE")


class CanonicalKeras:
    """A model flavour for MLflow's `Model.log`: the Keras flavour around the canonical file."""

    @staticmethod
    def save_model(path: str, mlflow_model: Any, file: Path, signature: Any, **facts: Any) -> None:
        """Called by MLflow with the folder to fill."""
        import mlflow.keras
        import mlflow.pyfunc

        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        mlflow.keras.save_model(path=path, mlflow_model=mlflow_model, **facts)
        shutil.copyfile(file, folder / FILE)
        pyfunc_model.carry(folder / CODE)
        mlflow_model.signature = signature  # the Keras flavour takes tensors alone
        ours = {"loader_module": pyfunc_model.LOADER, "data": FOLDER, "code": CODE}
        mlflow_model.flavors[mlflow.pyfunc.FLAVOR_NAME] |= ours
        mlflow_model.save(str(folder / "MLmodel"))


def log_model(client: "MlflowClient", run_id: str, file: Path) -> None:
    """Logs the canonical `.keras` file to a run, unless the same bytes are there already."""
    digest = file_digest(file, "md5")
    run = client.get_run(run_id)
    if run.data.tags.get(LOGGED_TAG) == digest:
        return
    model, _ = canonical.load(file)
    # MLflow tries the example out: Keras's progress bars and NumPy's deprecations are not for the user.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        import mlflow
        import pandas as pd
        from mlflow.models import Model

        mlflow.set_tracking_uri(client.tracking_uri)
        mlflow.set_experiment(experiment_id=run.info.experiment_id)  # else the model lands in "Default"
        Model.log(
            artifact_path=None,
            name="model",
            flavor=CanonicalKeras,
            run_id=run_id,
            model=model,
            file=file,
            signature=_signature(),
            input_example=pd.DataFrame({COLUMN: [_blank(*model.input_shape[1:3])]}),
            pip_requirements=_requirements(),
        )
    client.set_tag(run_id, LOGGED_TAG, digest)


def _signature() -> "ModelSignature":
    """A picture, as base64 of a file or as an array of pixels, and what is answered."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import AnyType, Map

    answered = [
        ColSpec(DataType.string, "label"),
        ColSpec(DataType.double, "likelihood"),
        ColSpec(Map(DataType.double), "likelihoods"),
    ]
    return ModelSignature(Schema([ColSpec(AnyType(), COLUMN)]), Schema(answered))


def _blank(height: int, width: int) -> str:
    """Base64 of a black PNG."""
    kept = io.BytesIO()
    Image.new("L", (width, height)).save(kept, "PNG")
    return base64.b64encode(kept.getvalue()).decode()


def address_of(client: "MlflowClient", run: "Run") -> str:
    """Where the model lies that a run logged last: `models:/m-...`.

    Raises:
        UserError: it logged none.
    """
    found = client.search_logged_models(
        [run.info.experiment_id],
        f"source_run_id = '{run.info.run_id}'",
        max_results=1,
        order_by=[{"field_name": "creation_time", "ascending": False}],
    )
    if not found:
        raise UserError(
            f"run {run.info.run_id} ({run.info.run_name}) has no model: it was not trained to its end, or "
            "`reprolens track` has to complete it"
        )
    return f"models:/{found[0].model_id}"


def download(client: "MlflowClient", address: str, folder: Path) -> Path:
    """Fetches the canonical `.keras` file of a model to `folder`; returns its path.

    Args:
        address: `models:/NAME/VERSION`, `models:/NAME@ALIAS` or `models:/m-ID`.

    Raises:
        UserError: there is no such model, or it was not logged by this project.
    """
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository

    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        artifacts = ModelsArtifactRepository(address)
        files = [item.path for item in artifacts.list_artifacts(FOLDER)]
    except MlflowException as error:
        if error.error_code not in NOT_THERE:
            raise
        raise UserError(
            f"MLflow has no model {address} ({one_line(error)}): give models:/NAME/VERSION, models:/NAME@ALIAS, "
            "models:/m-ID, or a run"
        ) from error
    if FILE not in files:
        raise UserError(f"{address} has no {FILE}: it was deleted, or logged by another program")
    return Path(artifacts.download_artifacts(FILE, str(folder)))


def _requirements() -> list[str]:
    installed = {name: _installed(name) for name in REQUIRED}
    return [f"{name}=={number}" for name, number in installed.items() if number]


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
