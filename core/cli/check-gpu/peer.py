"""Times PyTorch, transformers and TRL on the shapes of shapes.ts, on one card, and prints one JSON line.

Run: PYTHON peer.py versions | train|sample|ppo fp32|bf16 cuda|cpu    (the check runs it)
fp32 is with TF32 products, bf16 is autocast for training and weights of bfloat16 for generate. Eager, no torch.compile, attention as
transformers chooses it, fused AdamW. `cpu` takes tiny shapes: a trial. Without transformers, train measures a GPT-2 written here.
Nothing is downloaded: the weights are random. Out: {"value", "unit", "peer"} or {"error": sentence}; exit code 0 both times.
"""
import json, os, sys, tempfile, time
from importlib.metadata import version
from importlib.util import find_spec
from statistics import median

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

FULL = {"V": 50257, "C": 768, "layers": 12, "heads": 12, "context": 512, "train": (16, 512), "sample": (32, 64, 128), "ppo": (128, 64, 64)}
TINY = {"V": 211, "C": 32, "layers": 2, "heads": 4, "context": 48, "train": (2, 16), "sample": (4, 8, 6), "ppo": (4, 8, 6)}


def config(size, **more):
    """No end-of-text, so that every continuation has its full length."""
    from transformers import GPT2Config
    return GPT2Config(vocab_size=size["V"], n_positions=size["context"], n_embd=size["C"], n_layer=size["layers"], n_head=size["heads"],
                      resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, bos_token_id=None, eos_token_id=None, **more)


def own_gpt2(size):
    """The same model in plain PyTorch; ids -> logits."""
    import torch
    from torch import nn
    C, H = size["C"], size["heads"]

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.LayerNorm(C), nn.LayerNorm(C)
            self.qkv, self.out, self.up, self.down = nn.Linear(C, 3 * C), nn.Linear(C, C), nn.Linear(C, 4 * C), nn.Linear(4 * C, C)

        def forward(self, x):
            B, T, _ = x.shape
            q, k, v = (part.view(B, T, H, C // H).transpose(1, 2) for part in self.qkv(self.first(x)).split(C, 2))
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, C)
            x = x + self.out(y)
            return x + self.down(nn.functional.gelu(self.up(self.second(x)), approximate="tanh"))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.places, self.norm = nn.Embedding(size["V"], C), nn.Embedding(size["context"], C), nn.LayerNorm(C)
            self.blocks = nn.Sequential(*[Block() for _ in range(size["layers"])])

        def forward(self, ids):
            x = self.words(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
            return self.norm(self.blocks(x)) @ self.words.weight.T

    return Model()


def timed(work, device, rounds, warm_up):
    """Median seconds of `rounds` turns."""
    import torch
    times = []
    for _ in range(warm_up + rounds):
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return median(times[warm_up:])


def train(size, precision, device):
    """Milliseconds of one AdamW step, every position a target."""
    import torch
    B, T = size["train"]
    if find_spec("transformers"):
        from transformers import GPT2LMHeadModel
        model = GPT2LMHeadModel(config(size)).to(device).train()
        logits_of = lambda ids: model(ids, use_cache=False).logits
    else:
        model = logits_of = own_gpt2(size).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, fused=True)

    def step():
        ids = torch.randint(size["V"], (B, T + 1), device=device)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            logits = logits_of(ids[:, :-1])  # (B, T, V)
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return {"value": 1000 * timed(step, device, 12, 4), "unit": "ms"}


def sample(size, precision, device):
    """New tokens a second of generate(); reading the prompts is counted, as in ours."""
    import torch
    from transformers import GPT2LMHeadModel
    B, P, N = size["sample"]
    model = GPT2LMHeadModel(config(size)).to(device, torch.bfloat16 if precision == "bf16" else torch.float32).eval()

    def turn():
        prompts = torch.randint(size["V"], (B, P), device=device)
        out = model.generate(input_ids=prompts, attention_mask=torch.ones_like(prompts), do_sample=True, temperature=0.7, top_k=0, top_p=1.0,
                             min_new_tokens=N, max_new_tokens=N)
        assert out.shape == (B, P + N), f"generate() gave {tuple(out.shape)}"

    return {"value": B * N / timed(turn, device, 3, 1), "unit": "tokens/s"}


def ppo(size, precision, device, rounds=2, warm_up=1):
    """Seconds of one update of TRL's PPOTrainer, from one on_step_end to the next; the first is dropped."""
    import torch
    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from transformers import AutoModelForSequenceClassification, GPT2LMHeadModel, PreTrainedTokenizerFast, TrainerCallback
    from trl.experimental.ppo import PPOConfig, PPOTrainer
    episodes, P, N = size["ppo"]
    V = size["V"]
    # the pad token is one past the model's vocabulary: TRL takes a sampled pad for the end of the response, and ours never ends early here
    words = {**{f"w{i}": i for i in range(V)}, "[PAD]": V}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="w0")), pad_token="[PAD]", eos_token="[PAD]",
                                        padding_side="left")
    policy, reference = GPT2LMHeadModel(config(size)), GPT2LMHeadModel(config(size))
    reference.load_state_dict(policy.state_dict())
    reward, value = (AutoModelForSequenceClassification.from_config(config(size, num_labels=1)) for _ in range(2))
    prompts = Dataset.from_dict({"input_ids": torch.randint(V, ((rounds + warm_up) * episodes, P)).tolist()})
    marks = []

    def mark():
        if device == "cuda":
            torch.cuda.synchronize()
        marks.append(time.perf_counter())

    class Clock(TrainerCallback):
        def on_train_begin(self, *args, **kwargs):
            mark()

        def on_step_end(self, *args, **kwargs):
            mark()

    with tempfile.TemporaryDirectory(prefix="tastemaker-check-") as folder:
        settings = PPOConfig(
            output_dir=folder, report_to="none", save_strategy="no", disable_tqdm=True, num_sample_generations=0, seed=1,
            use_cpu=device == "cpu", bf16=precision == "bf16", tf32=device == "cuda" or None, gradient_checkpointing=False,
            total_episodes=(rounds + warm_up) * episodes, per_device_train_batch_size=episodes, gradient_accumulation_steps=1,
            num_ppo_epochs=4, num_mini_batches=1, response_length=N, temperature=0.7, stop_token=None)
        PPOTrainer(args=settings, processing_class=tokenizer, model=policy, ref_model=reference, reward_model=reward, value_model=value,
                   train_dataset=prompts, callbacks=[Clock()]).train()
    times = [after - before for before, after in zip(marks, marks[1:])]
    assert len(times) == rounds + warm_up, f"{len(times)} updates were timed instead of {rounds + warm_up}"
    return {"value": median(times[warm_up:]), "unit": "s"}


WORKS = {"train": (train, ["torch"]), "sample": (sample, ["torch", "transformers"]), "ppo": (ppo, ["torch", "transformers", "trl", "datasets", "accelerate"])}


def versions(names):
    return ", ".join(f"{name} {version(name)}" for name in names if find_spec(name))


def measure(words):
    if words == ["versions"]:
        if not find_spec("torch"):
            return {"error": "not there"}
        import torch
        return {"peer": f"{versions(['torch', 'transformers', 'trl'])}, CUDA {torch.version.cuda or 'none'}"}
    if len(words) != 3 or words[0] not in WORKS or words[1] not in ("fp32", "bf16") or words[2] not in ("cuda", "cpu"):
        return {"error": "Name train, sample or ppo, then fp32 or bf16, then cuda or cpu."}
    work, packages = WORKS[words[0]]
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        return {"error": f"Not compared: this Python has no {' and no '.join(missing)}."}
    try:
        import torch
        if words[2] == "cuda" and not torch.cuda.is_available():
            return {"error": "Not compared: this PyTorch sees no card."}
        torch.manual_seed(1)
        torch.set_float32_matmul_precision("high")  # TF32
        return {**work(TINY if words[2] == "cpu" else FULL, words[1], words[2]), "peer": versions(packages[:3] + (["transformers"] if words[0] == "train" else []))}
    except Exception as error:  # an API that moved, a package that does not load: the check goes on without its peer
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return {"error": f"Not compared: {type(error).__name__}: {' '.join(str(error).split())[:300]}"}


if __name__ == "__main__":
    answers = os.dup(1)
    os.dup2(2, 1)  # stdout holds the one line and nothing else
    figure = measure(sys.argv[1:])
    with os.fdopen(answers, "w") as out:
        out.write(json.dumps(figure) + "\n")
