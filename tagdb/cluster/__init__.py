"""A Ray cluster as processes to call: what they are told to make, it neither knows nor imports.

Importing this package loads nothing of Ray, which is an extra; `connected` does.
"""

from tagdb.cluster.connecting import checked, connected, version
from tagdb.cluster.crew import Call, Crew, Worker
from tagdb.cluster.hosts import named
from tagdb.cluster.joined import Cluster, Lost, Node

__all__ = ["Call", "Cluster", "Crew", "Lost", "Node", "Worker", "checked", "connected", "named", "version"]
