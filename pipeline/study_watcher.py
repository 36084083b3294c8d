"""Waits for a process that tunes to end; if it vanishes without a word, closes its MLflow runs as KILLED.

Run as `python -m pipeline.study_watcher` with a pipe from that process on standard input. It sleeps in
`read`, imports nothing until needed, and ends with its parent. What the runs say of their trials is
brought to date at the study's next start, or by `reprolens track`.
"""

import sys


def main() -> None:
    if sys.stdin.buffer.read() == b"done":
        return
    from pipeline import tracking, tracking_server

    try:
        client = tracking_server.connect()
        with tracking_server.reachable():
            tracking.close_dead_runs(client)
    except tracking_server.Away:  # `reprolens track` will close them
        return


if __name__ == "__main__":
    main()
