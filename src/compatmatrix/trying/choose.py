"""Which of the generic scenarios fit a checkpoint, and which of their cells are what it is about. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from compatmatrix.errors import InputError
from compatmatrix.plan import did_you_mean
from compatmatrix.trying.estimate import Estimate, told
from compatmatrix.trying.found import COMPUTED, Found

FAMILY = "given"
PLANS = ("cpu", "auto", "sequential", "balanced", "cpu+disk", "2-cards", "2-cards+cpu", "2-cards+disk", "cuda")
_ALIASES = {"virtual-cuda:2": "2-cards", "balanced_low_0": "balanced"}
_USUAL_PLANS = ("cpu", "auto", "cpu+disk", "2-cards")
#: Cards on which a model that does not fit here is placed without being loaded.
_CARDS = ("1x24", "2x24", "1x80", "2x80", "4x80")
DEFAULT = "default"

#: How a class ends -> the auto class that people call, and whether it writes texts.
_TASKS = (
    ("ForCausalLM", "AutoModelForCausalLM", True),
    ("LMHeadModel", "AutoModelForCausalLM", True),
    ("ForSeq2SeqLM", "AutoModelForSeq2SeqLM", True),
    ("ForMaskedLM", "AutoModelForMaskedLM", False),
    ("ForSequenceClassification", "AutoModelForSequenceClassification", False),
    ("ForTokenClassification", "AutoModelForTokenClassification", False),
    ("ForQuestionAnswering", "AutoModelForQuestionAnswering", False),
    ("ForImageClassification", "AutoModelForImageClassification", False),
    ("ForObjectDetection", "AutoModelForObjectDetection", False),
    ("ForCTC", "AutoModelForCTC", False),
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line says of how it is to be loaded."""

    model_class: str = ""
    plans: tuple[str, ...] = ()
    trust: bool = False


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The chosen cells of a scenario: the names of its parameters, and a value of each for every cell."""

    names: tuple[str, ...] = ()
    cells: tuple[tuple[str, ...], ...] = ((),)

    def ids(self, scenario: str) -> tuple[str, ...]:
        return tuple(f"{FAMILY}/{scenario}" + (f"[{','.join(cell)}]" if cell else "") for cell in self.cells)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is run.

    ``primary`` is the class that is tried in every way, ``whole`` those that must have a place for every tensor.
    ``essential`` cells are what the checkpoint is about: a version in which one of them is red does not work.
    ``compared`` are the cells whose answers are compared between versions. ``unloaded`` says why nothing is loaded;
    it is empty where something is. ``need`` is the memory of the cell that needs most.
    """

    primary: str
    whole: tuple[str, ...]
    cells: Mapping[str, Cells]
    essential: tuple[str, ...]
    compared: tuple[str, ...]
    in_float64: bool
    need: int
    unloaded: str = ""
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class _Classes:
    """``auto`` is the class that people call; ``writes``: whether it writes texts."""

    primary: str
    auto: str
    whole: tuple[str, ...]
    writes: bool
    declared: bool


def choose(found: Found, estimate: Estimate, asked: Asked) -> Choice:
    """Pick the cells for a checkpoint; raises :class:`InputError` for a device plan that is not known."""
    plans = _plans(asked.plans)
    classes = _classes(found, asked)
    unloaded = _unloaded(found, estimate)
    cells = {"config": Cells(), **({"tokenizer": Cells()} if found.tokenizer else {})}
    about = [id for name, some in cells.items() for id in some.ids(name)]
    if unloaded:
        if classes.declared and not found.code and not found.quantised:
            cells["placement"] = Cells(names=("cards",), cells=tuple((cards,) for cards in _CARDS))
        return Choice(
            primary=classes.primary,
            whole=classes.whole,
            cells=cells,
            essential=tuple(about),
            compared=(),
            in_float64=False,
            need=0,
            unloaded=unloaded,
        )
    usual = DEFAULT if estimate.fits(estimate.by_default) else _computed(found)
    cells.update(_loading(classes, asked, found, plans, usual))
    # Nobody decodes without a cache unless they must: only the first way counts.
    about += [id for name in ("load", "generate") if name in cells for id in cells[name].ids(name)[:1]]
    about += cells["plan"].ids("plan") if plans else ()
    return _loaded(classes, cells, about, estimate, usual)


def _loading(classes: _Classes, asked: Asked, found: Found, plans: tuple[str, ...], usual: str) -> dict[str, Cells]:
    primary = classes.primary
    ways = tuple((primary, usual, cache) for cache in ("cached", "uncached"))
    generate = {"generate": Cells(names=("api", "dtype", "cache"), cells=ways)} if classes.writes else {}
    return {
        "load": _loads(classes, asked, found, usual),
        "plan": Cells(names=("api", "plan"), cells=tuple((primary, plan) for plan in plans or _USUAL_PLANS)),
        **generate,
        "save": Cells(names=("api",), cells=((primary,),)),
    }


def _loaded(
    classes: _Classes, cells: Mapping[str, Cells], about: Iterable[str], estimate: Estimate, usual: str
) -> Choice:
    in_float64 = estimate.fits(estimate.in_float64)
    need = estimate.by_default if usual == DEFAULT else estimate.as_stored
    notes = []
    if not in_float64:
        room = f"{told(estimate.in_float64)}, {told(estimate.room)} may be used"
        notes.append(f"no computation in float64 to compare with: it needs {room}")
    if usual != DEFAULT:
        notes.append(f"loaded as {usual} only: float32 needs {told(estimate.by_default)}")
    loads = cells["load"].ids("load")
    exact = f"{FAMILY}/load[{classes.primary},float32]"
    return Choice(
        primary=classes.primary,
        whole=classes.whole,
        cells=cells,
        essential=tuple(dict.fromkeys(about)),
        compared=(exact if exact in loads else loads[0],),
        in_float64=in_float64,
        need=estimate.in_float64 if in_float64 else need,
        notes=tuple(notes),
    )


def _classes(found: Found, asked: Asked) -> _Classes:
    declared = str(next(iter(found.config.get("architectures") or ()), ""))
    auto, writes = _task(declared, found)
    by_auto = bool(found.code) or not declared
    own = () if by_auto else (declared,)
    return _Classes(
        primary=asked.model_class or (auto if by_auto else declared),
        auto=auto,
        whole=(*own, auto) if declared or found.code else (),
        writes=asked.model_class.endswith(("ForCausalLM", "ForConditionalGeneration")) if asked.model_class else writes,
        declared=bool(declared),
    )


def _unloaded(found: Found, estimate: Estimate) -> str:
    if found.quantised:
        return f"its weights are quantised ({found.quantised}), which needs packages and mostly a GPU"
    if not estimate.fits(estimate.as_stored):
        return f"it needs {told(estimate.as_stored)} as it is stored, and {told(estimate.room)} may be used here"
    return ""


def _plans(given: Iterable[str]) -> tuple[str, ...]:
    plans = tuple(dict.fromkeys(_ALIASES.get(plan, plan) for plan in given))
    for plan in plans:
        if plan not in PLANS:
            raise InputError(
                f"--device-plan: there is no plan {plan!r}{did_you_mean(plan, PLANS)}",
                hint=f"plans: {', '.join(PLANS)}",
            )
    return plans


def _task(declared: str, found: Found) -> tuple[str, bool]:
    """The auto class that people call for a class, and whether it writes texts."""
    mapped = found.config.get("auto_map")
    if isinstance(mapped, Mapping):
        own = next((name for name in mapped if str(name).startswith("AutoModel")), "")
        if own:
            return str(own), str(own).endswith(("ForCausalLM", "Seq2SeqLM"))
    if declared.endswith("ForConditionalGeneration"):
        if "vision_config" in found.config:
            return "AutoModelForImageTextToText", True
        if found.config.get("model_type") == "whisper":
            return "AutoModelForSpeechSeq2Seq", False
        return "AutoModelForSeq2SeqLM", True
    return next(((auto, writes) for end, auto, writes in _TASKS if declared.endswith(end)), ("AutoModel", False))


def _computed(found: Found) -> str:
    return found.stored if found.stored in COMPUTED else "float32"


def _loads(classes: _Classes, asked: Asked, found: Found, usual: str) -> Cells:
    """By class with nothing said, and by dtype with the first class; where that does not fit, as stored only."""
    every = [classes.primary] if asked.model_class else [classes.primary, classes.auto, "AutoModel"]
    chosen = [(each, usual) for each in dict.fromkeys(every)]
    if usual == DEFAULT:
        dtypes = [dtype for dtype in COMPUTED if dtype != "float32" or found.stored != "float32"]
        chosen += [(classes.primary, dtype) for dtype in dtypes]
    return Cells(names=("api", "dtype"), cells=tuple(chosen))
