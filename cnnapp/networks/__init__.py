"""Networks: the layer language, families of networks, and (in ``build``) the ``nn.Module`` made from them."""

from cnnapp.config import NETWORKS

__all__ = ["NETWORKS"]
