"""What vLLM's engine gives back is an answer only when the model ended it; tried without vLLM, on outputs of its shape."""

import importlib
import sys
from types import ModuleType, SimpleNamespace

import pytest

from roadtrain.data.question import Question
from roadtrain.media import Clip, Medium

MODULE = "roadtrain.evaluate.vllm.asking"


@pytest.fixture
def asker(monkeypatch):
    """A VllmAsker without a model: of vLLM just the names that its module imports."""
    names = {
        "vllm": ("LLM", "SamplingParams"),
        "vllm.exceptions": ("VLLMValidationError",),
        "vllm.lora": (),
        "vllm.lora.request": ("LoRARequest",),
        "vllm.sampling_params": ("RequestOutputKind",),
    }
    for name, parts in names.items():
        module = ModuleType(name)
        for part in parts:
            setattr(module, part, type(part, (Exception,), {}))
        monkeypatch.setitem(sys.modules, name, module)
    asking = importlib.import_module(MODULE)
    del sys.modules["roadtrain.evaluate.vllm"].asking, sys.modules[MODULE]  # nobody else gets this one
    empty = object.__new__(asking.VllmAsker)
    empty.stop_tokens, empty.cache_use = {0}, asking.CacheUse()
    tokenizer = SimpleNamespace(decode=lambda tokens: " ".join(map(str, tokens)))
    empty.prompter = SimpleNamespace(processor=SimpleNamespace(tokenizer=tokenizer))
    return empty


def output(reason):
    completion = SimpleNamespace(token_ids=[7, 0], logprobs=None, finish_reason=reason)
    return SimpleNamespace(prompt_token_ids=[1], num_cached_tokens=0, outputs=[completion])


def prompts():
    words = {"scenario": "s", "type": "t", "phase": "p", "text": "?", "prompt": "?", "answer": "x"}
    questions = [Question(id=id, clip=Clip((Medium("v.mp4"),)), **words) for id in ("q1", "q2")]
    return SimpleNamespace(questions=questions, letters=[[], []])


@pytest.mark.parametrize("reason", ["abort", "error"])
def test_an_answer_that_the_engine_broke_off_is_none(asker, reason):
    """Its beginning would be counted as the answer."""
    assert asker.replies(prompts(), [output("stop"), output("length")])["q2"].response == "7"
    with pytest.raises(ValueError, match=rf"q2: the engine broke the answer off \(finish_reason: {reason}\)"):
        asker.replies(prompts(), [output("stop"), output(reason)])


def test_a_question_that_the_engine_forgot_is_no_hang(asker):
    """A step without a question in the engine waits for ever."""
    engine = SimpleNamespace(has_unfinished_requests=lambda: False, step=lambda: pytest.fail("would wait"))
    asker.llm = SimpleNamespace(llm_engine=engine)
    with pytest.raises(RuntimeError, match="vLLM has forgotten a question"):
        asker.step()
