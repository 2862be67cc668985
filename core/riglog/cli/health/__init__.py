"""The state of this computer for recording: what ``riglog doctor`` looks at."""
