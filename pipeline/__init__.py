"""Reprolens: the map of the house.

Three rooms, and arrows that run one way, `root <- stages <- lifecycle`:

- the root (this folder): params, paths, sources, images, model, backbones, metrics, report, tracking, study, gate,
  registry, export, prediction_server...
- `stages`: exactly what DVC runs, download -> split -> train -> evaluate
- `lifecycle`: what a person or a clock starts: use, preview, track, report, predict, serve, compare, notebooks, tune,
  export, summary, promote, rollback, history, retrain, gc, verify, trace, doctor

`cli` stands above all three and only calls them. Importing a module does nothing and is fast:
TensorFlow and MLflow are imported by the functions that need them.
"""

__version__ = "0.1.0"
