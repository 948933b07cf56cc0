# mypy: allow-subclassing-any
"""Two vision towers that load late: CLIP for the low resolution, ConvNeXt for the high one.

They are plain torch, so that they are the same in every version of transformers. As in MiniGemini, a
tower is made empty (``delay_load``), with no parameter at all, while the language model is made and
loaded; ``load_model`` builds it and reads a file of its own.

The names of modules are those of the published files: openai/clip-vit-large-patch14 and OpenCLIP's ConvNeXt.
"""

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional


class QuickGELU(nn.Module):
    """CLIP's approximation of GELU."""

    def forward(self, values: Tensor) -> Tensor:
        return values * torch.sigmoid(1.702 * values)


class ClipAttention(nn.Module):
    """Multi-head self-attention of a CLIP layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.v_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        query, key, value = (
            projection(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class ClipLayer(nn.Module):
    """One pre-norm layer of CLIP."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.self_attn = ClipAttention(width, heads)
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, inner), "fc2": nn.Linear(inner, width)})
        self.activation = QuickGELU()

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = hidden + self.self_attn(self.layer_norm1(hidden))
        return hidden + self.mlp["fc2"](self.activation(self.mlp["fc1"](self.layer_norm2(hidden))))


class ClipEmbeddings(nn.Module):
    """Patches, the class token before them, and learned positions."""

    def __init__(self, width: int, image_size: int, patch_size: int) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.patch_embedding = nn.Conv2d(3, width, patch_size, patch_size, bias=False)
        self.position_embedding = nn.Embedding((image_size // patch_size) ** 2 + 1, width)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(patches), 1, -1)
        return torch.cat([first, patches], dim=1) + self.position_embedding.weight


class Clip(nn.Module):
    """The vision half of CLIP; ``forward`` returns all hidden states, the embeddings first."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.embeddings = ClipEmbeddings(width, config["image_size"], config["patch_size"])
        self.pre_layrnorm = nn.LayerNorm(width)  # sic
        layers = [
            ClipLayer(width, config["num_attention_heads"], config["intermediate_size"])
            for _ in range(config["num_hidden_layers"])
        ]
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(layers)})
        self.post_layernorm = nn.LayerNorm(width)

    def forward(self, pixels: Tensor) -> List[Tensor]:
        states = [self.pre_layrnorm(self.embeddings(pixels))]
        for layer in self.encoder["layers"]:
            states.append(layer(states[-1]))
        return states


class PixelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def forward(self, picture: Tensor) -> Tensor:
        normed: Tensor = super().forward(picture.permute(0, 2, 3, 1))
        return normed.permute(0, 3, 1, 2)


class ConvNextBlock(nn.Module):
    """A depthwise 7x7 convolution and a perceptron on each pixel, scaled by ``gamma``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))
        self.conv_dw = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, picture: Tensor) -> Tensor:
        seen = self.norm(self.conv_dw(picture).permute(0, 2, 3, 1))
        seen = self.gamma * self.mlp["fc2"](functional.gelu(self.mlp["fc1"](seen)))
        return picture + seen.permute(0, 3, 1, 2)


class ConvNextStage(nn.Module):
    """Halve the picture (all stages but the first), then blocks."""

    def __init__(self, before: int, width: int, depth: int, downsample: bool) -> None:
        super().__init__()
        halve = nn.Sequential(PixelNorm(before), nn.Conv2d(before, width, 2, 2))
        self.downsample = halve if downsample else nn.Identity()
        self.blocks = nn.Sequential(*(ConvNextBlock(width) for _ in range(depth)))

    def forward(self, picture: Tensor) -> Tensor:
        return self.blocks(self.downsample(picture))


class ConvNext(nn.Module):
    """The trunk of ConvNeXt; ``forward`` returns the maps of all stages at the size of the first."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        widths = config["widths"]
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 4, 4), PixelNorm(widths[0]))
        stages = [
            ConvNextStage(widths[max(number - 1, 0)], width, config["depths"][number], downsample=number > 0)
            for number, width in enumerate(widths)
        ]
        self.stages = nn.ModuleList(stages)

    def forward(self, pixels: Tensor) -> Tensor:
        maps = [self.stages[0](self.stem(pixels))]
        for stage in self.stages[1:]:
            maps.append(stage(maps[-1]))
        size = tuple(maps[0].shape[-2:])
        wide = [functional.interpolate(one.float(), size=size, mode="bilinear").to(one.dtype) for one in maps]
        return torch.cat(wide, dim=1)


class Tower(nn.Module):
    """A tower that knows only its directory until ``load_model`` is called."""

    prefix: str
    modules_made: type

    def __init__(self, directory: str, delay_load: bool = False) -> None:
        super().__init__()
        self.directory = Path(directory)
        self.is_loaded = False
        self.settings = json.loads((self.directory / "config.json").read_text(encoding="utf-8"))
        if not delay_load:
            self.load_model()

    def load_model(self) -> None:
        """Build the tower and read its weights; every one of them must be there."""
        from safetensors.torch import load_file

        stored: Dict[str, Tensor] = load_file(str(self.directory / "model.safetensors"))
        tower = self.modules_made(self.settings)
        tower.load_state_dict({name[len(self.prefix) :]: tensor for name, tensor in stored.items()})
        self.vision_tower = tower.requires_grad_(False)
        self.is_loaded = True

    def see(self, pixels: Tensor) -> Any:
        first = next(self.vision_tower.parameters())
        with torch.no_grad():
            return self.vision_tower(pixels.to(device=first.device, dtype=first.dtype))


class ClipTower(Tower):
    """(batch, 3, size, size) -> patch features (batch, patches, width) of one layer, in the dtype of the pixels."""

    prefix = "vision_model."
    modules_made = Clip

    def __init__(self, directory: str, select_layer: int, delay_load: bool = False) -> None:
        super().__init__(directory, delay_load)
        self.select_layer = select_layer

    def forward(self, pixels: Tensor) -> Tensor:
        states: List[Tensor] = self.see(pixels)
        return states[self.select_layer][:, 1:].to(pixels.dtype)


class ConvNextTower(Tower):
    """(batch, 3, size, size) -> the maps of all stages, (batch, sum of widths, size / 4, size / 4)."""

    prefix = "visual.trunk."
    modules_made = ConvNext

    def forward(self, pixels: Tensor) -> Tensor:
        result: Tensor = self.see(pixels)
        return result
