# mypy: allow-subclassing-any
"""The vision parts of the package: what is mixed into the bare model, and into the causal language model."""

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

import torch
from torch import Tensor, nn

from scenarios.mini_gemini._towers import ClipTower, ConvNextTower

#: Where a picture stands in the prompt; no row of the embedding.
IMAGE_TOKEN = -200
#: Where the weights of the mining modules are when they are not in the checkpoint's own files.
MINING_FILE = "mining.safetensors"


def mining_projector(width: int, out: int) -> nn.Sequential:
    """One of the three small networks of patch info mining."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, out))


class VisionParts:
    """What is mixed into the family's bare model: projector at once, towers and mining later."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)  # type: ignore[call-arg]
        if hasattr(config, "mm_vision_tower"):
            self.vision_tower = ClipTower(config.mm_vision_tower, config.mm_vision_select_layer, delay_load=True)
            self.vision_tower_aux = ConvNextTower(config.mm_vision_tower_aux, delay_load=True)
            # mlp2x_gelu
            self.mm_projector = nn.Sequential(
                nn.Linear(config.mm_hidden_size, config.hidden_size),
                nn.GELU(),
                nn.Linear(config.hidden_size, config.hidden_size),
            )

    def load_vision(self, directory: Path, device: str, dtype: torch.dtype, beside: str) -> None:
        """Load the towers from their own files, and the mining modules from the checkpoint's.

        Args:
            directory: of the checkpoint.
            device: where the towers go.
            dtype: of the towers.
            beside: what the mining modules are put beside: the ``projector`` or the ``towers``.
        """
        for tower in (self.vision_tower, self.vision_tower_aux):
            if not tower.is_loaded:
                tower.load_model()
            tower.to(device=device, dtype=dtype)
        self.load_mining(directory, self.mm_projector[0].weight.device if beside == "projector" else device, dtype)

    def load_mining(self, directory: Path, device: Union[str, torch.device], dtype: torch.dtype) -> None:
        """Make the mining modules, which the model had no place for before, and read them from the checkpoint."""
        low, high = self.config.mm_hidden_size, self.config.mm_hidden_size_aux  # type: ignore[attr-defined]
        self.vlm_uni_query_projector = mining_projector(low, low)
        self.vlm_uni_aux_projector = mining_projector(high, low)
        self.vlm_uni_val_projector = mining_projector(high, low)
        stored = read_weights(directory, "model.vlm_uni_")
        for role in ("query", "aux", "val"):
            name = f"vlm_uni_{role}_projector"
            module = getattr(self, name)
            start = f"model.{name}."
            module.load_state_dict({key[len(start) :]: stored[key] for key in stored if key.startswith(start)})
            module.to(device=device, dtype=dtype)


def read_weights(directory: Path, start: str) -> Dict[str, Tensor]:
    """The tensors whose names begin with ``start``: from a file of their own, or the (sharded) checkpoint."""
    from safetensors.torch import load_file

    own = directory / MINING_FILE
    if own.exists():
        return load_file(str(own))  # type: ignore[no-any-return]
    index = directory / "model.safetensors.index.json"
    files = {"model.safetensors"}
    if index.exists():
        files = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    found: Dict[str, Tensor] = {}
    for file in sorted(files):
        loaded = load_file(str(directory / file))
        found.update({name: tensor for name, tensor in loaded.items() if name.startswith(start)})
    return found


class MultimodalMixin:
    """What is mixed into the causal language model: pictures into embeddings, embeddings into the text."""

    #: Gemma multiplies what it reads by the square root of its width. Since that moved into the embedding
    #: (transformers 5), it no longer reaches pictures, unless the package does it.
    scales_pictures = False

    def get_model(self) -> Any:
        return self.model  # type: ignore[attr-defined]

    def mine(self, low: Tensor, high: Tensor) -> Tensor:
        """(batch, side², width), (batch, channels, side * cells, side * cells) -> what each patch reads."""
        model = self.get_model()
        side = int(low.shape[1] ** 0.5)
        cells = high.shape[-1] // side
        candidates = high.unflatten(3, (side, cells)).unflatten(2, (side, cells)).permute(0, 2, 4, 3, 5, 1)
        candidates = candidates.flatten(3, 4).flatten(1, 2)
        query = model.vlm_uni_query_projector(low)[:, :, None]
        key, value = model.vlm_uni_aux_projector(candidates), model.vlm_uni_val_projector(candidates)
        scores = query @ (key.transpose(-1, -2) / key.shape[-1] ** 0.5)
        mined: Tensor = (scores.softmax(-1) @ value)[:, :, 0]
        return mined

    def encode_images(self, images: Tensor, images_aux: Tensor) -> Tensor:
        model = self.get_model()
        low = model.vision_tower(images)
        high = model.vision_tower_aux(images_aux).to(dtype=low.dtype, device=low.device)
        features: Tensor = model.mm_projector(low + self.mine(low, high))
        scale = getattr(model.embed_tokens, "embed_scale", None) if self.scales_pictures else None
        return features if scale is None else features * scale.to(features)

    def splice(
        self,
        input_ids: Tensor,
        attention_mask: Optional[Tensor],
        images: Optional[Tensor],
        images_aux: Optional[Tensor],
    ) -> Tuple[Optional[Tensor], Optional[Tensor], Optional[Tensor]]:
        """Ids, mask and embeddings: the pictures' features where their tokens stood, padded on the right."""
        if images is None or images_aux is None or input_ids.shape[1] == 1:
            return input_ids, attention_mask, None
        features = self.encode_images(images, images_aux)
        keep = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        rows: List[Tensor] = []
        used = 0
        for row, mask in enumerate(keep):
            ids = input_ids[row][mask.bool()]
            parts: List[Tensor] = []
            start = 0
            for end in [*torch.where(ids == IMAGE_TOKEN)[0].tolist(), len(ids)]:
                if parts:
                    parts.append(features[used])
                    used += 1
                parts.append(self.get_model().embed_tokens(ids[start:end]))
                start = end + 1
            rows.append(torch.cat([part.to(parts[0].device) for part in parts]))
        embeds = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        if attention_mask is None:
            return None, None, embeds
        lengths = torch.tensor([len(row) for row in rows], device=attention_mask.device)
        spliced = torch.arange(embeds.shape[1], device=attention_mask.device)[None] < lengths[:, None]
        return None, spliced.to(attention_mask.dtype), embeds
