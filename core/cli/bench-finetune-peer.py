"""Times the peers (PyTorch, PEFT, transformers) on the shapes of bench-finetune-process.ts, one turn for every line on stdin.

Run: PYTHON core/cli/bench-finetune-peer.py full|lora|blocks|reward-head|reward-block|sample    (`tastemaker bench finetune --peer PYTHON` does)
Needs: torch, transformers; lora also peft. CPU, float32, all cores, eager (no torch.compile), attention as transformers chooses it, fused AdamW.
Nothing is downloaded: the weights are random.
Out: a JSON line for each of: the set-up (after warm-up), every turn {"ms", "gemm_gflops"}, and at the end of stdin {"peak_gb"}; or {"error": sentence}.
The reward steps keep the trunk frozen and pass every completion through it with its own copy of the prompt, as a Trainer over tokenised pairs does.
"""
import json, os, resource, sys, time
from importlib.metadata import version
from importlib.util import find_spec

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # ours runs on the CPU
os.environ["TOKENIZERS_PARALLELISM"] = "false"

V, LAYERS = 49152, 30
MATRICES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def config(**more):
    """SmolLM2-135M's shape. No end-of-text, so that every continuation has its full length."""
    from transformers import LlamaConfig
    return LlamaConfig(vocab_size=V, hidden_size=576, num_hidden_layers=LAYERS, num_attention_heads=9, num_key_value_heads=3, intermediate_size=1536,
                       max_position_embeddings=2048, tie_word_embeddings=True, bos_token_id=None, eos_token_id=None, **more)


def stepper(model, loss):
    """One AdamW step on what requires a gradient."""
    import torch
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, fused=True)

    def step():
        loss().backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def learn_only(model, blocks):
    """Freezes all but the last blocks, the final norm where a block learns, and a head of scores."""
    own = [f"layers.{layer}." for layer in range(LAYERS - blocks, LAYERS)] + (["model.norm."] if blocks else []) + ["score."]
    for name, parameter in model.named_parameters():
        parameter.requires_grad = any(part in name for part in own)


def language(tune):
    import torch
    from transformers import LlamaForCausalLM
    model = LlamaForCausalLM(config()).train()
    if tune == "blocks":
        learn_only(model, 4)
    if tune == "lora":
        from peft import LoraConfig, get_peft_model
        model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=MATRICES, lora_dropout=0, task_type="CAUSAL_LM"))

    def loss():
        ids = torch.randint(V, (4, 129))
        logits = model(input_ids=ids[:, :-1], use_cache=False).logits
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())

    return stepper(model, loss)


def reward(blocks):
    import torch
    from transformers import LlamaForSequenceClassification
    model = LlamaForSequenceClassification(config(num_labels=1, pad_token_id=0)).train()
    learn_only(model, blocks)
    pairs = torch.triu_indices(4, 4, 1)

    def loss():
        ids = torch.cat([torch.randint(1, V, (1, 256)).expand(4, -1), torch.randint(1, V, (4, 53))], 1)
        scores = model(input_ids=ids, use_cache=False).logits[:, 0]
        return -torch.nn.functional.logsigmoid(scores[pairs[0]] - scores[pairs[1]]).mean()

    return stepper(model, loss)


def sample():
    import torch
    from transformers import LlamaForCausalLM
    model = LlamaForCausalLM(config()).eval()

    def turn():
        prompts = torch.randint(V, (8, 64))
        out = model.generate(input_ids=prompts, attention_mask=torch.ones_like(prompts), do_sample=True, temperature=0.7, top_k=0, top_p=1.0,
                             min_new_tokens=32, max_new_tokens=32)
        assert out.shape == (8, 96), f"generate() gave {tuple(out.shape)}"

    return turn


PARTS = {"full": lambda: language("full"), "lora": lambda: language("lora"), "blocks": lambda: language("blocks"),
         "reward-head": lambda: reward(0), "reward-block": lambda: reward(1), "sample": sample}


def main(answer):
    part = sys.argv[1] if len(sys.argv) == 2 else ""
    packages = ["torch", "transformers"] + (["peft"] if part == "lora" else [])
    missing = [package for package in packages if find_spec(package) is None]
    if part not in PARTS or missing:
        return answer({"error": f"The peer's Python lacks {', '.join(missing)}." if missing else f"Name one of {', '.join(PARTS)}."})
    import torch
    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(1)
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    turn = PARTS[part]()

    def rate():
        started = time.perf_counter()
        for _ in range(5):
            a @ b
        return 5 * 2 * 1024 ** 3 / (time.perf_counter() - started) / 1e9

    for _ in range(2):
        turn(), rate()
    answer({"peer": ", ".join(f"{package} {version(package)}" for package in packages)})
    for _ in sys.stdin:
        gemm, started = rate(), time.perf_counter()
        turn()
        answer({"ms": 1000 * (time.perf_counter() - started), "gemm_gflops": gemm})
    answer({"peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)})


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # stdout holds the answers and nothing else

    def answer(figures):
        answers.write(json.dumps(figures) + "\n")
        answers.flush()

    try:
        main(answer)
    except Exception as error:  # an API that moved, a package that does not load: the bench goes on without its peer
        answer({"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"})
