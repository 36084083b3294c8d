"""A Ray cluster of two nodes on this machine: `python -m tests.ray_nodes PORT`, the port of its client server.

Says "ready"; the line "remove" on standard input kills the second node, its end ends the cluster.
"""

import sys
from typing import Any

from ray.cluster_utils import Cluster

STORE = 100 * 1024 * 1024  # bytes of each node's memory for objects


def main() -> None:
    where: dict[str, Any] = {"node_ip_address": "127.0.0.1", "object_store_memory": STORE, "num_cpus": 1}
    head = {**where, "include_dashboard": False, "ray_client_server_port": int(sys.argv[1])}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(**where)
    print("ready", flush=True)
    for _ in sys.stdin:
        cluster.remove_node(second, allow_graceful=False)
        print("removed", flush=True)
    cluster.shutdown()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
