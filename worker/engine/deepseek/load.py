"""Weights to a model that can encode and decode: from a local folder, or from the hub at a pinned commit.

Safetensors only, transformers' native classes only: no code from a checkpoint ever runs. All tensors of the files
must find their place and all places their tensor; a partly loaded model is refused, as it would write plausible
nonsense. Everything is checked before the first gigabyte is read, the memory too.

Errors are `ConfigError`s: the codes of `weights`, and `wrong_architecture`, `weights_mismatch`, `weights_offline`,
`revision_not_pinned`, `not_enough_memory`, `engine_not_installed`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from index.errors import ConfigError
from worker.engine.deepseek.configure import configuration, kind_of
from worker.engine.deepseek.device import Placement, place
from worker.engine.deepseek.memory import require_memory
from worker.engine.deepseek.modes import DEEPSEEK_OCR_2
from worker.engine.deepseek.weights import TOKENIZER, WeightFolder, fingerprint, look_into

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_FILES = ["*.safetensors", "*.safetensors.index.json", "config.json", "tokenizer.json"]
_TABLE = ("<td>", "</td>")
_ENCODER = re.compile(r"model\.(sam_model|vision_model|qwen2_model|projector|vision_tower|multi_modal_projector)\.")
_UNUSED = re.compile(r"position_ids$|vision_model\.embeddings\.patch_embedding\.")


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model in evaluation mode on its device, and what surrounds it.

    `model` is the native class (`get_image_features`, `generate`, `model.language_model`, `lm_head`); its
    `vision_tower` and `multi_modal_projector` may be of another number type (`device.Placement`). `dim` is the
    width of a vision token. `image_newline` and `view_separator` are the constants of `layout`, (D,), the former None
    for DeepSeek-OCR 2. `eos`, `bos`, `image_id` are token ids, `table_ids` the ids that the no-repeat rule never bans.
    `placement` says in words why this device and number type.
    """

    model: Any
    config: Any
    tokenizer: Tokenizer
    kind: str
    revision: str
    dim: int
    image_newline: torch.Tensor | None
    view_separator: torch.Tensor
    eos: int
    bos: int
    image_id: int
    table_ids: tuple[int, ...]
    device: torch.device
    dtype: torch.dtype
    attention: str
    placement: str


def load_model(
    source: str | Path,
    *,
    revision: str | None = None,
    device: str | None = None,
    dtype: str | torch.dtype | None = None,
) -> LoadedModel:
    """Load from `source`, a folder or a hub id with `revision` (a commit, 40 hexadecimal digits).

    `device` and `dtype` as in `device.place`. Takes seconds to minutes and, on a GPU, the weights' size of host memory
    for that time.
    """
    path, pinned = locate(source, revision)
    folder = look_into(path)
    kind = kind_of(folder)
    placement = place(device, dtype)
    encoder = sum(tensor.numbers for name, tensor in folder.tensors.items() if _ENCODER.match(name))
    needed = (folder.numbers - encoder) * placement.dtype.itemsize + encoder * placement.encoder_dtype.itemsize
    require_memory(needed, placement.device)
    tokenizer = read_tokenizer(path / TOKENIZER)
    model = _native(folder, kind, placement)
    return assemble(model, kind, tokenizer, pinned or fingerprint(folder), placement)


def assemble(model: Any, kind: str, tokenizer: Tokenizer, revision: str, placement: Placement) -> LoadedModel:
    """A `LoadedModel` around a native model that is already on its device."""
    text = model.config.text_config
    image_id = tokenizer.token_to_id("<image>")
    if image_id is None or tokenizer.get_vocab_size() > text.vocab_size:
        raise ConfigError(
            f"tokenizer.json does not belong to these weights: {tokenizer.get_vocab_size()} tokens for "
            f"{text.vocab_size} places" + ("" if image_id is not None else ", no <image>"),
            code="weights_mismatch",
        )
    model.config.image_token_id = image_id
    for part in (model.model.vision_tower, model.model.multi_modal_projector):
        part.to(placement.encoder_dtype)
    eos = text.eos_token_id[0] if isinstance(text.eos_token_id, list) else text.eos_token_id
    return LoadedModel(
        model=model,
        config=model.config,
        tokenizer=tokenizer,
        kind=kind,
        revision=revision,
        dim=text.hidden_size,
        image_newline=None if kind == DEEPSEEK_OCR_2 else model.model.image_newline.detach(),
        view_separator=model.model.view_separator.detach(),
        eos=eos,
        bos=text.bos_token_id,
        image_id=image_id,
        table_ids=tuple(number for name in _TABLE if (number := tokenizer.token_to_id(name)) is not None),
        device=placement.device,
        dtype=placement.dtype,
        attention=placement.attention,
        placement=placement.reason,
    )


def locate(source: str | Path, revision: str | None) -> tuple[Path, str | None]:
    """The folder with the weights, and the commit if they came from the hub."""
    path = Path(source).expanduser()
    if path.exists() or isinstance(source, Path) or not _HUB_ID.match(str(source)):
        return path, None
    if revision is None or not _COMMIT.match(revision):
        raise ConfigError(
            f"{source} comes from the hub, where names can be given new weights: set the revision to a commit "
            "(40 hexadecimal digits)",
            code="revision_not_pinned",
        )
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(str(source), revision=revision, allow_patterns=_FILES)
    except Exception as error:  # the hub client raises a dozen kinds, from several libraries
        raise ConfigError(
            f"{source} at {revision[:12]} is neither in the local cache nor can it be fetched "
            f"({type(error).__name__}): connect this machine, or copy the folder here and name it instead",
            code="weights_offline",
        ) from error
    return Path(folder), revision


def read_tokenizer(path: Path) -> Tokenizer:
    """tokenizer.json as it stands: nothing is added before or after a text."""
    from tokenizers import Tokenizer

    if not path.is_file():
        raise ConfigError(f"{path} is missing: copy the whole model folder", code="weights_missing")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain exceptions only
        raise ConfigError(f"{path} cannot be read ({error}): copy it again", code="weights_damaged") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _native(folder: WeightFolder, kind: str, placement: Placement) -> Any:
    try:
        from transformers import DeepseekOcr2ForConditionalGeneration, UnlimitedOcrForConditionalGeneration
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise ConfigError("this engine needs transformers 5.20 or newer", code="engine_not_installed") from error

    disable_progress_bar()
    made = DeepseekOcr2ForConditionalGeneration if kind == DEEPSEEK_OCR_2 else UnlimitedOcrForConditionalGeneration
    try:
        model, info = made.from_pretrained(
            str(folder.path),
            config=configuration(folder, kind),
            dtype=placement.dtype,
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except ConfigError:
        raise
    except Exception as error:  # a damaged tensor, a conversion that does not fit
        from worker.engine.deepseek.plan import is_out_of_memory

        if is_out_of_memory(error):
            raise
        raise ConfigError(
            f"the weights in {folder.path} do not load as {kind}: {_first_line(error)}", code="weights_mismatch"
        ) from error
    _refuse_partial(folder, info)
    return model.to(placement.device).eval().requires_grad_(False)


def _refuse_partial(folder: WeightFolder, info: dict[str, Any]) -> None:
    unexpected = [name for name in info["unexpected_keys"] if not _UNUSED.search(name)]
    problems = [
        f"{len(names)} {word} (such as {', '.join(sorted(str(name) for name in names)[:3])})"
        for word, names in (
            ("missing", info["missing_keys"]),
            ("unexpected", unexpected),
            ("of another shape", info["mismatched_keys"]),
            ("unreadable", info.get("error_msgs") or ()),
        )
        if names
    ]
    if problems:
        raise ConfigError(
            f"the weights in {folder.path} are not what config.json says; tensors: {'; '.join(problems)}",
            code="weights_mismatch",
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
