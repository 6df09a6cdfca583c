"""The same function as transformers' Qwen3-VL, batched: over clips of one shape, and over questions of a clip.

transformers runs the vision tower frame pair by frame pair and knows no questions that share a video. Here all
frame pairs of a batch go through together, and K question slots attend to one prefix. The modules, and so the
weights, are transformers' own. `deviation` measures the difference; the pre-training stops if there is one.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .batches import PREFIX

EPSILON = 1e-6


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin


def _rms(x: Tensor, weight: Tensor) -> Tensor:
    x = x.float()
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPSILON) * weight


def vision_block(x: Tensor, cos: Tensor, sin: Tensor, heads: int, w: tuple) -> Tensor:
    """One block of the vision tower. x: (frame pairs, patches, width); attention stays within a frame pair."""
    n1, n1b, qkv, qkvb, proj, projb, n2, n2b, fc1, fc1b, fc2, fc2b = w
    pairs, patches, width = x.shape
    y = F.linear(F.layer_norm(x, (width,), n1, n1b, EPSILON), qkv, qkvb)
    q, k, v = y.reshape(pairs, patches, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    q, k = _rotate(q, cos, sin).to(v.dtype), _rotate(k, cos, sin).to(v.dtype)
    y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(pairs, patches, width)
    x = x + F.linear(y, proj, projb)
    y = F.linear(F.layer_norm(x, (width,), n2, n2b, EPSILON), fc1, fc1b)
    return x + F.linear(F.gelu(y, approximate="tanh"), fc2, fc2b)


def slot_attention(q: Tensor, k: Tensor, v: Tensor, prefix: int, slot: int, mask: Tensor) -> Tensor:
    """q, k, v: (B, heads, prefix + K * slot, d). The prefix is causal; a slot sees the prefix and itself causally.

    mask: bool (slot, prefix + slot), True where a slot's token may look.
    """
    batch, heads, length, d = q.shape
    count = (length - prefix) // slot

    def slots_of(x: Tensor) -> Tensor:
        return x[:, :, prefix:].reshape(batch, heads, count, slot, d).transpose(1, 2)

    def with_prefix(x: Tensor) -> Tensor:
        shared = x[:, None, :, :prefix].expand(batch, count, heads, prefix, d)
        return torch.cat([shared, slots_of(x)], 3).flatten(0, 1)

    first = F.scaled_dot_product_attention(q[:, :, :prefix], k[:, :, :prefix], v[:, :, :prefix], is_causal=True)
    rest = F.scaled_dot_product_attention(slots_of(q).flatten(0, 1), with_prefix(k), with_prefix(v), attn_mask=mask)
    rest = rest.reshape(batch, count, heads, slot, d).transpose(1, 2).reshape(batch, heads, count * slot, d)
    return torch.cat([first, rest], 2)


def text_block(x: Tensor, cos: Tensor, sin: Tensor, heads: int, w: tuple, slot: int, mask: Tensor | None) -> Tensor:
    """One decoder layer. x: (B, N, width). slot 0: plain causal rows; else a prefix of PREFIX tokens and slots."""
    n1, wq, wk, wv, wo, qn, kn, n2, gate, up, down = w
    batch, length, width = x.shape
    y = _rms(x, n1)
    q, k, v = (F.linear(y, m).reshape(batch, length, heads, -1) for m in (wq, wk, wv))
    v = v.transpose(1, 2)
    q = _rotate(_rms(q, qn).transpose(1, 2), cos, sin).to(v.dtype)
    k = _rotate(_rms(k, kn).transpose(1, 2), cos, sin).to(v.dtype)
    y = slot_attention(q, k, v, PREFIX, slot, mask) if slot else F.scaled_dot_product_attention(q, k, v, is_causal=True)
    x = x + F.linear(y.transpose(1, 2).reshape(batch, length, -1), wo)
    y = _rms(x, n2)
    return x + F.linear(F.silu(F.linear(y, gate)) * F.linear(y, up), down)


def vision_weights(block) -> tuple:
    attention, mlp = block.attn, block.mlp
    return tuple(
        t
        for m in (block.norm1, attention.qkv, attention.proj, block.norm2, mlp.linear_fc1, mlp.linear_fc2)
        for t in (m.weight, m.bias)
    )


def text_weights(layer) -> tuple:
    a, mlp = layer.self_attn, layer.mlp
    return tuple(
        m.weight
        for m in (
            layer.input_layernorm,
            a.q_proj,
            a.k_proj,
            a.v_proj,
            a.o_proj,
            a.q_norm,
            a.k_norm,
            layer.post_attention_layernorm,
            mlp.gate_proj,
            mlp.up_proj,
            mlp.down_proj,
        )
    )


@dataclass
class Layout:
    """What depends on the shape of a batch only: positions, rotary tables, masks."""

    ids: Tensor  # (PREFIX,) prefix, padded
    video_at: Tensor  # (V,) positions of the video's tokens in the prefix
    cos: Tensor  # (PREFIX + K * S, head dim)
    sin: Tensor
    mask: Tensor  # (S, PREFIX + S)
    position_ids: Tensor  # (P', Q) indices and
    position_weights: Tensor  # weights of the learned vision positions
    vision_cos: Tensor  # (patches of one frame pair, head dim)
    vision_sin: Tensor
    pairs: int


class Forward:
    """Runs a transformers Qwen3VLForConditionalGeneration on the batches of batches.py. No padding inside a slot
    matters: it comes after the answer."""

    def __init__(self, model, compiled: bool = False):
        self.model, self.vision, self.text = model, model.model.visual, model.model.language_model
        self.layouts: dict[tuple, Layout] = {}
        self.vision_block, self.text_block = vision_block, text_block
        if compiled:
            self.vision_block = torch.compile(vision_block, dynamic=True)
            self.text_block = torch.compile(text_block, dynamic=False)
        self.heads = model.config.text_config.num_attention_heads
        self.vision_heads = model.config.vision_config.num_heads

    @property
    def device(self):
        return self.text.embed_tokens.weight.device

    def layout(self, prefix: list[int], bucket: tuple[int, int, int], count: int, slot: int) -> Layout:
        """Tables for a prefix, `count` slots of `slot` tokens each; remembered by where the video's tokens are."""
        video = self.model.config.video_token_id
        video_at = [i for i, token in enumerate(prefix) if token == video]
        key = (bucket, count, slot, len(prefix), tuple(video_at[:: max(1, len(video_at) // (bucket[0] // 2))]))
        layout = self.layouts.get(key)
        if layout is None:
            layout = self.layouts[key] = self._layout(prefix, video_at, bucket, count, slot)
        ids = torch.tensor(prefix)  # the timestamps differ
        if layout.ids.is_cuda:
            ids = ids.pin_memory()
        layout.ids[: len(prefix)].copy_(ids, non_blocking=True)
        return layout

    @torch.no_grad()
    def _layout(self, prefix, video_at, bucket, count, slot) -> Layout:
        from transformers.models.qwen3_vl import modeling_qwen3_vl as reference

        device, real = self.device, len(prefix)
        if real > PREFIX:
            raise ValueError(f"a prefix of {real} tokens; at most {PREFIX}")
        frames, height, width = bucket
        grid = torch.tensor([[frames // 2, height // 16, width // 16]], device=device)
        ids = torch.tensor(prefix, device=device)[None]
        positions, _ = self.model.model.get_rope_index(
            ids,
            mm_token_type_ids=(ids == self.model.config.video_token_id).long() * 2,
            video_grid_thw=grid,
            attention_mask=torch.ones_like(ids),
        )
        after = int(positions.max()) + 1
        filler = torch.zeros(3, 1, PREFIX - real, dtype=positions.dtype, device=device)
        slot_positions = (after + torch.arange(slot, device=device)).repeat(count).expand(3, 1, -1)
        cos, sin = self.text.rotary_emb(
            torch.zeros(1, device=device), torch.cat([positions, filler, slot_positions], 2)
        )
        sees = torch.ones(slot, PREFIX + slot, dtype=torch.bool, device=device)
        sees[:, real:PREFIX] = False
        sees[:, PREFIX:] = torch.ones(slot, slot, dtype=torch.bool, device=device).tril()
        tower = self.vision
        at, weights = reference.get_vision_interpolation_indices_and_weights(
            grid,
            num_grid_per_side=tower.num_grid_per_side,
            mode=tower.interpolation_mode,
            align_corners=tower.interpolation_align_corners,
            spatial_merge_size=2,
            kwargs={},
        )
        places = reference.get_vision_position_ids(grid, 2, kwargs={})
        patches = height * width // 256
        v_cos, v_sin = (x[:patches].float() for x in tower.rotary_pos_emb(torch.zeros(1, device=device), places))
        padded = torch.zeros(PREFIX, dtype=torch.long, device=device)
        return Layout(
            padded,
            torch.tensor(video_at, device=device),
            cos[0].float(),
            sin[0].float(),
            sees,
            at,
            weights,
            v_cos,
            v_sin,
            frames // 2,
        )

    def see(self, layout: Layout, patches: Tensor) -> tuple[Tensor, list[Tensor]]:
        """patches: (B, patches of a video, 1536) -> video tokens (B, V, width) and what each deepstack level adds."""
        tower, batch = self.vision, len(patches)
        projection = tower.patch_embed.proj
        x = F.linear(patches, projection.weight.flatten(1), projection.bias)
        x = x + (tower.pos_embed(layout.position_ids) * layout.position_weights[:, :, None]).sum(1)
        x = x.reshape(batch * layout.pairs, -1, x.shape[-1]).float()
        levels = []
        for index, block in enumerate(tower.blocks):
            x = self.vision_block(x, layout.vision_cos, layout.vision_sin, self.vision_heads, vision_weights(block))
            if index in tower.deepstack_visual_indexes:
                merge = tower.deepstack_merger_list[tower.deepstack_visual_indexes.index(index)]
                levels.append(merge(x.flatten(0, 1)).reshape(batch, layout.video_at.numel(), -1).float())
        return tower.merger(x.flatten(0, 1)).reshape(batch, layout.video_at.numel(), -1).float(), levels

    def clips(self, layout: Layout, patches: Tensor, slots: Tensor) -> Tensor:
        """slots: (B, K, S) token ids -> last hidden states before the final norm, (B, K, S, width)."""
        batch, count, slot = slots.shape
        embed = self.text.embed_tokens
        video, levels = self.see(layout, patches)
        self.tokens = torch.cat([video, *levels], -1)  # what the guide reads
        prefix = embed(layout.ids).expand(batch, -1, -1).index_copy(1, layout.video_at, video.to(embed.weight.dtype))
        x = torch.cat([prefix, embed(slots.int()).flatten(1, 2)], 1)
        for index, layer in enumerate(self.text.layers):
            x = self.text_block(x, layout.cos, layout.sin, self.heads, text_weights(layer), slot, layout.mask)
            if index < len(levels):
                x = x.index_add(1, layout.video_at, levels[index])
        return x[:, PREFIX:].reshape(batch, count, slot, -1)

    def rows(self, ids: Tensor) -> Tensor:
        """ids: (R, N) causal text -> last hidden states before the final norm, (R, N, width)."""
        key = ("rows", ids.shape[1])
        if key not in self.layouts:
            at = torch.arange(ids.shape[1], device=self.device).expand(3, 1, -1)
            self.layouts[key] = tuple(
                t[0].float() for t in self.text.rotary_emb(torch.zeros(1, device=self.device), at)
            )
        cos, sin = self.layouts[key]
        x = self.text.embed_tokens(ids.int())
        for layer in self.text.layers:
            x = text_block(x, cos, sin, self.heads, text_weights(layer), 0, None)  # uncompiled: few, and a third shape
        return x

    def logits(self, hidden: Tensor, at: Tensor) -> Tensor:
        """Logits (n, vocabulary) in float32 at flat positions of a hidden-state tensor."""
        x = _rms(hidden.flatten(0, -2)[at], self.text.norm.weight)
        return F.linear(x, self.text.embed_tokens.weight).float()


def patchify(frames: Tensor) -> Tensor:
    """frames: (B, T, H, W, 3), values 0..255 -> (B, T/2 * H/16 * W/16, 1536) in the order of transformers' processor."""
    batch, t, h, w, _ = frames.shape
    x = frames.float().div(127.5).sub(1).permute(0, 1, 4, 2, 3)
    x = x.reshape(batch, t // 2, 2, 3, h // 32, 2, 16, w // 32, 2, 16).permute(0, 1, 4, 7, 5, 8, 3, 2, 6, 9)
    return x.reshape(batch, -1, 1536)


@torch.no_grad()
def deviation(model, processor, forward: Forward, batch, frames: Tensor) -> float:
    """Largest difference of the logits at answer positions from stock transformers, relative to their scale.

    batch: a ClipBatch with one clip; frames: (1, T, H, W, 3) uint8. Each slot is compared with a run of its own
    through the processor's pixels and prompt, so the prefix and the patches are checked as well.
    """
    slots = batch.slots.long().to(forward.device)
    layout = forward.layout(batch.prefix, batch.bucket, slots.shape[1], slots.shape[2])
    ours = forward.clips(layout, patchify(frames.to(forward.device)), slots)
    pixels = processor.video_processor(
        videos=[frames[0].permute(0, 3, 1, 2)], do_sample_frames=False, do_resize=False, return_tensors="pt"
    )
    worst = 0.0
    for k in range(slots.shape[1]):
        length = int((slots[0, k] != processor.tokenizer.pad_token_id).sum())
        ids = torch.cat([torch.tensor(batch.prefix, device=forward.device), slots[0, k, :length]])[None]
        hidden = model.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            use_cache=False,
            mm_token_type_ids=(ids == model.config.video_token_id).long() * 2,
            pixel_values_videos=pixels["pixel_values_videos"].to(forward.device),
            video_grid_thw=pixels["video_grid_thw"].to(forward.device),
        ).last_hidden_state
        theirs = model.lm_head(hidden[0, len(batch.prefix) :]).float()
        mine = forward.logits(ours, torch.arange(length, device=forward.device) + k * slots.shape[2])
        worst = max(worst, float((theirs - mine).abs().max() / theirs.abs().max()))
    return worst
