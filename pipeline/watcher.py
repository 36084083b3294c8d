"""Waits for the training process to end; if it vanishes without a word, closes its MLflow run as KILLED.

Started by `live` as `python -m pipeline.watcher RUN_KEY PROCESS_MARK`, with a pipe from the training
process on standard input. It sleeps in `read`, imports nothing until needed, and ends with its parent.
"""

import sys


def main() -> None:
    run_key, mark = sys.argv[1:]
    if sys.stdin.buffer.read() == b"done":
        return
    from pipeline import tracking, tracking_server

    try:
        client = tracking_server.connect()
        with tracking_server.reachable():
            run = tracking.find_run(client, run_key)
            if run and run.info.status == "RUNNING" and run.data.tags.get(tracking.PID_TAG) == mark:
                tracking.set_status(client, run.info.run_id, "KILLED")
    except tracking_server.Away:  # `reprolens track` will close it
        return


if __name__ == "__main__":
    main()
