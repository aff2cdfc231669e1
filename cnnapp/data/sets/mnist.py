"""MNIST: handwritten digits of 28×28 pixels."""

from cnnapp.config import DATASETS
from cnnapp.data.published import mnist_like

DATASETS.add(
    mnist_like(
        name="mnist",
        title="MNIST",
        description="Handwritten digits, centred, 60,000 to train on and 10,000 to test on",
        source="LeCun, Cortes and Burges 1998, http://yann.lecun.com/exdb/mnist",
        classes=tuple("0123456789"),
        reader="MNIST",
        folders=("MNIST",),
        download_mb=11.6,
    )
)
