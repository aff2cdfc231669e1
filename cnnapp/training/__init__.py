"""Training: from a config to a stream of events. It knows no store, process or page.

Letters: B images in a batch, C channels, H height, W width, K classes, S steps since the last report.
"""

from cnnapp.training.run import train

__all__ = ["train"]
