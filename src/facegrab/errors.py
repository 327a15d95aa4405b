"""Every error FaceGrab raises on purpose; each is also the built-in it resembles.

    FaceGrabError
    ├── SettingError   (ValueError)         a setting out of range
    ├── MissingError   (FileNotFoundError)  a path or pattern that names nothing
    ├── AccessError    (PermissionError)    a file that may not be read or written
    ├── MediaError     (ValueError)         a file that is no readable video or image
    ├── GalleryError   (ValueError)         references without a usable face, or a bad .npz
    ├── WeightsError   (ValueError)         model files that are missing or damaged
    ├── DeviceError    (RuntimeError)       a device or runtime that is not there
    ├── OutputError    (OSError)            an output that cannot be written
    └── StoreError     (ValueError)         an index that is damaged, newer, or another run's
        └── StaleError                      ... or that has changed since it was looked at

A message names the thing (path, setting, value) and the way out, in one line: the command line
prints it as it is.
"""


class FaceGrabError(Exception):
    """The root: ``except FaceGrabError`` catches whatever FaceGrab refuses."""


class SettingError(FaceGrabError, ValueError):
    """A setting out of range."""


class MissingError(FaceGrabError, FileNotFoundError):
    """A path or pattern that names nothing."""


class AccessError(FaceGrabError, PermissionError):
    """A file or folder that may not be read or written."""


class MediaError(FaceGrabError, ValueError):
    """A file that is no readable video or image."""


class GalleryError(FaceGrabError, ValueError):
    """References without a usable face, or a reference file that is none."""


class WeightsError(FaceGrabError, ValueError):
    """Model files that are missing, damaged or not what they should be."""


class DeviceError(FaceGrabError, RuntimeError):
    """A device or runtime that is not there."""


class OutputError(FaceGrabError, OSError):
    """An output that cannot be written: a full disk, a file in the folder's place."""


class StoreError(FaceGrabError, ValueError):
    """An index that is damaged, made by a newer version, or holds another run."""


class StaleError(StoreError):
    """What was looked at has changed meanwhile: it has to be looked at again."""
