"""The types of what a collection's methods return, under one roof for annotations; importing them takes a moment."""

from __future__ import annotations

from tagdb.classify import Metrics
from tagdb.db.capture import Capture, CapturedTable
from tagdb.door.collection import Collection
from tagdb.door.reporting import Event
from tagdb.door.results import (
    Activated,
    Deleted,
    Lifted,
    NearQuestion,
    NearTag,
    Pruned,
    Restored,
    Synced,
    Trained,
    Watched,
    Worked,
)
from tagdb.models import EmbedderSpec
from tagdb.pipeline.asking.health import Health
from tagdb.pipeline.asking.status import Reason, Status
from tagdb.pipeline.checking.doctor import Examination
from tagdb.pipeline.checking.findings import Finding
from tagdb.pipeline.demo import Step
from tagdb.pipeline.embedders.adding import Added
from tagdb.pipeline.embedders.pretraining import PretrainResult
from tagdb.pipeline.embedders.registry import KnownEmbedder
from tagdb.pipeline.embedders.verifying import Verified
from tagdb.pipeline.importing import ImportedRow, ImportResult
from tagdb.pipeline.learning.classifiers import Deletion, StoredClassifier
from tagdb.pipeline.learning.predict import PredictResult
from tagdb.pipeline.planning import Plan
from tagdb.pipeline.running.capturing import Capturing
from tagdb.pipeline.running.collections import CollectionStatus
from tagdb.pipeline.syncing.indexing import IndexStatus

__all__ = [
    "Activated",
    "Added",
    "Capture",
    "CapturedTable",
    "Capturing",
    "Collection",
    "CollectionStatus",
    "Deleted",
    "Deletion",
    "EmbedderSpec",
    "Event",
    "Examination",
    "Finding",
    "Health",
    "ImportResult",
    "ImportedRow",
    "IndexStatus",
    "KnownEmbedder",
    "Lifted",
    "Metrics",
    "NearQuestion",
    "NearTag",
    "Plan",
    "PredictResult",
    "PretrainResult",
    "Pruned",
    "Reason",
    "Restored",
    "Status",
    "Step",
    "StoredClassifier",
    "Synced",
    "Trained",
    "Verified",
    "Watched",
    "Worked",
]
