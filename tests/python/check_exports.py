"""Opens what make-exports.ts wrote with transformers, PEFT, gguf and onnxruntime, and compares logits and scores with ours.

Started by build/check-python.mjs: python tests/python/check_exports.py FOLDER. Prints one JSON object a line: first the
versions of what is installed, then for every export the largest difference from the model that was exported ("original") and
from our own reading of the export ("reading"), both as shares of the largest number, and whether they are small enough.
"""
import gc
import importlib.util
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import numpy
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.set_grad_enabled(False)
SAME = 5e-4  # what another order of float32 sums may make of the same weights
OPTIONAL = ["peft", "gguf", "onnxruntime"]


def installed(name):
    return importlib.util.find_spec(name) is not None


def numbers(folder, name, shape):
    return numpy.fromfile(folder / name, numpy.float32).reshape(shape)


def run_onnx(case):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(Path(case["path"]) / "model.onnx"))
    ids = numpy.full((len(case["rows"]), case["tokens"]), 3, numpy.int32)  # filled up with a token like any other
    for b, row in enumerate(case["rows"]):
        ids[b, : len(row)] = row
    feeds = {"ids": ids}
    if case["kind"] == "scores":
        feeds["last"] = numpy.array([len(row) - 1 for row in case["rows"]], numpy.int32)
    return session.run(None, feeds)[0]


def open_gguf(case, kind):
    """The model of a GGUF file; what transformers does not take over from its metadata is given by hand and told."""
    file, wanted, told = Path(case["path"]) / case["file"], case["config"], []
    config = AutoConfig.from_pretrained(case["path"], gguf_file=case["file"])
    if "head_dim" in wanted and getattr(config, "head_dim", wanted["head_dim"]) != wanted["head_dim"]:
        config.head_dim = wanted["head_dim"]
        told.append("head_dim")
    rope = wanted.get("rope_parameters", {})
    if rope.get("rope_type") == "llama3":
        config.rope_parameters = rope
        told.append("the rope scaling")
        check_rope_factors(file, config)
    return kind.from_pretrained(case["path"], gguf_file=case["file"], config=config, dtype=torch.float32).eval(), told


def check_rope_factors(file, config):
    """rope_freqs.weight is by what the scaling divides each frequency."""
    import gguf
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    plain = config.rope_parameters["rope_theta"] ** (-torch.arange(0, config.head_dim, 2, dtype=torch.float64) / config.head_dim)
    factors = next(torch.tensor(tensor.data.copy()) for tensor in gguf.GGUFReader(file).tensors if tensor.name == "rope_freqs.weight")
    assert torch.allclose(factors.double(), plain / scaled.double(), rtol=1e-5), "rope_freqs.weight is not what the scaling says"


def open_model(case):
    """The model, and what had to be given by hand."""
    kind = AutoModelForSequenceClassification if case["kind"] == "scores" else AutoModelForCausalLM
    more = {"num_labels": 1} if case["kind"] == "scores" else {}
    if case["format"] == "adapter":
        from peft import PeftModel

        base = json.loads((Path(case["path"]) / "adapter_config.json").read_text())["base_model_name_or_path"]
        return PeftModel.from_pretrained(kind.from_pretrained(base, dtype=torch.float32, **more), case["path"]).eval(), []
    if case["file"]:
        return open_gguf(case, kind)
    return kind.from_pretrained(case["path"], dtype=torch.float32).eval(), []


def run_torch(case):
    model, told = open_model(case)
    pad = model.config.pad_token_id
    fill = 3 if pad is None else pad
    ids = torch.tensor([row + [fill] * (case["tokens"] - len(row)) for row in case["rows"]])
    mask = torch.tensor([[1] * len(row) + [0] * (case["tokens"] - len(row)) for row in case["rows"]])
    if case["kind"] == "logits":
        return model(input_ids=ids, attention_mask=mask).logits.float().numpy(), told
    if pad is None:  # one row at a time, without padding
        return numpy.array([model(input_ids=torch.tensor([row])).logits[0, 0].item() for row in case["rows"]], numpy.float32) + case["bias"], told
    return model(input_ids=ids, attention_mask=mask).logits[:, 0].float().numpy() + case["bias"], told


def difference(case, got, want):
    """The largest one at places that hold tokens, as a share of the largest number."""
    if case["kind"] == "scores":
        return float(numpy.abs(got - want).max() / numpy.abs(want).max())
    worst = max(numpy.abs(got[b, : len(row)] - want[b, : len(row)]).max() for b, row in enumerate(case["rows"]))
    return float(worst / max(numpy.abs(want[b, : len(row)]).max() for b, row in enumerate(case["rows"])))


def check(folder, case):
    shape = [len(case["rows"])] + ([] if case["kind"] == "scores" else [case["tokens"], case["vocabulary"]])
    needed = {"adapter": "peft", "onnx": "onnxruntime"}.get(case["format"], "gguf" if case["file"] else None)
    if needed and not installed(needed):
        return {"skipped": f"{needed} is not installed"}
    got, told = (run_onnx(case), []) if case["format"] == "onnx" else run_torch(case)
    original = difference(case, got, numbers(folder, case["expected"], shape))
    reading = difference(case, got, numbers(folder, case["readBack"], shape)) if case["readBack"] else original
    problems = []
    if not original <= case["tolerance"]:
        problems.append("differs from the exported model")
    if not reading <= SAME:
        problems.append("is not what we read back")
    if "textIds" in case and not case["file"]:
        tokenizer = AutoTokenizer.from_pretrained(case["path"])
        if tokenizer.encode(case["text"], add_special_tokens=False) != case["textIds"]:
            problems.append("cuts text into other tokens")
        if (tokenizer.chat_template or None) != case["chatTemplate"]:
            problems.append("has another chat template")
        if case["kind"] == "scores" and tokenizer.pad_token_id is not None and tokenizer.pad_token_id == tokenizer.eos_token_id:
            problems.append("pads with its end-of-text")
    return {"original": original, "reading": reading, "ok": not problems, "problem": "; ".join(problems), "told": told}


def main():
    folder = Path(sys.argv[1])
    print(json.dumps({"versions": {name: version(name) for name in ["torch", "transformers", *OPTIONAL] if installed(name)}, "missing": [name for name in OPTIONAL if not installed(name)]}), flush=True)
    for case in json.loads((folder / "cases.json").read_text()):
        try:
            result = check(folder, case)
        except Exception as error:  # one export that does not open is a finding, not the end
            result = {"ok": False, "problem": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
        print(json.dumps({"model": case["model"], "family": case["family"], "format": case["format"], "tolerance": case["tolerance"], **result}), flush=True)
        gc.collect()


main()
