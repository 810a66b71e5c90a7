"""The size of the network: what a recipe says of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """Layers and widths of `models.network.network.SoundNet`.

    Attributes:
        layers: How many of YAMNet's layers are the body, 7 to 12.
        pretrained: Start from YAMNet's weights. If false, start from random ones (the «run from nothing»).
        frozen: The first layers whose weights are not trained.
        exact: How many of the layers at 160 ms keep YAMNet's features exactly, each delayed by 160 ms. The others
            start with the newest tap of their kernel folded into the one before, which costs no delay.
        hidden: Channels of a frame's description.
        embedding: Numbers of the embedding.
    """

    layers: int = 12
    pretrained: bool = True
    frozen: int = 0
    exact: int = 0
    hidden: int = 192
    embedding: int = 128

    def __post_init__(self) -> None:
        if not 7 <= self.layers <= 12:
            raise ValueError(f"layers {self.layers}: the body has 7 to 12 layers")
        if not 0 <= self.frozen <= self.layers:
            raise ValueError(f"frozen {self.frozen}: must be 0 to {self.layers}, the number of layers")
        if self.exact < 0 or self.hidden < 1 or self.embedding < 1:
            raise ValueError("exact must be 0 or more, hidden and embedding 1 or more")
