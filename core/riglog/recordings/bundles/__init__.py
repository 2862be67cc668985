"""Bundles: a recording with all that belongs to it, frozen, with a manifest, for an archive or a notebook."""

from riglog.recordings.bundles.checking import CheckedBundle, check_bundle
from riglog.recordings.bundles.writing import Bundled, bundle

__all__ = ["Bundled", "CheckedBundle", "bundle", "check_bundle"]
