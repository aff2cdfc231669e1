"""Fashion-MNIST: articles of clothing of 28×28 pixels."""

from cnnapp.config import DATASETS
from cnnapp.data.published import mnist_like

DATASETS.add(
    mnist_like(
        name="fashion_mnist",
        title="Fashion-MNIST",
        description="Articles of clothing, 60,000 to train on and 10,000 to test on; harder than MNIST",
        source="Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747",
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        reader="FashionMNIST",
        folders=("fashion-mnist", "FashionMNIST"),
        download_mb=30.9,
    )
)
