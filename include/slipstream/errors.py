"""The errors of Slipstream, named for what the caller should do.

```
SlipstreamError
├── FatalError                  trying again gives the same: somebody has to change something
│   ├── DefinitionError         a definition is wrong: edit the file that the message names
│   ├── SettingsError           a setting is wrong or missing
│   ├── BatchRejectedError      a batch broke its contract: look at the batch, or at its expectations
│   ├── SchemaError             rows do not have the columns or types that a table or a model wants
│   ├── IncompleteError         an interval that is needed is not in the lake yet: run the stage before
│   ├── NotFoundError           a table, model, version or prediction that was named does not exist
│   ├── NoChampionError         a model has no champion yet: train and promote one
│   ├── VerdictError            a verdict does not allow what was asked (rejected, void, superseded)
│   ├── ReleaseError            quarantined rows cannot be released as they are
│   └── ArchiveError            an exported version cannot be written, trusted or read: nothing of it was taken in
└── RetriableError              trying again later may work
    ├── WriteConflictError      another writer was faster on the same interval or ledger
    ├── BatchNotReadyError      a batch has not arrived, or is still being written
    └── ServiceError            a service (MLflow, object store, database) did not answer
```

A message says what was wanted, what was found, and what to do.
"""

from __future__ import annotations


class SlipstreamError(Exception):
    """Any error that Slipstream raises on purpose."""


class FatalError(SlipstreamError):
    """Trying again gives the same; somebody has to change something first."""


class DefinitionError(FatalError):
    """A definition is wrong."""


class SettingsError(FatalError):
    """A setting is wrong or missing."""


class BatchRejectedError(FatalError):
    """A batch broke its contract, so its interval stops."""


class SchemaError(FatalError):
    """Rows do not have the columns or types that are wanted."""


class IncompleteError(FatalError):
    """An interval that is needed is not in the lake."""


class NotFoundError(FatalError):
    """What was named does not exist."""


class NoChampionError(FatalError):
    """A model has no champion."""


class VerdictError(FatalError):
    """A verdict does not allow what was asked."""


class ReleaseError(FatalError):
    """Quarantined rows cannot be released as they are."""


class ArchiveError(FatalError):
    """An exported version cannot be written, trusted or read."""


class RetriableError(SlipstreamError):
    """Trying again later may work."""


class WriteConflictError(RetriableError):
    """Another writer was faster on the same interval."""


class BatchNotReadyError(RetriableError):
    """A batch has not arrived, or is still being written."""


class ServiceError(RetriableError):
    """A service did not answer."""
