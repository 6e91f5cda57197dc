"""Times the peers of our benchmarks (PyTorch, transformers, TRL) on the shapes of bench-shapes.ts and prints one JSON line.

Run: PYTHON core/cli/bench-peer.py train|sample|ppo    (`tastemaker bench train|sample|ppo --peer PYTHON` runs it and reads the line)
Needs: torch and transformers; ppo also trl (tried with 1.11), datasets and accelerate. CPU, float32, all cores, eager (no torch.compile),
attention as transformers chooses it (scaled_dot_product_attention). Nothing is downloaded: the weights are random.
Out: {"what", "peer", "parameters", "gemm_gflops", and the figures under the names that bench-shapes.ts gives ours}, or {"error": sentence}.
Exit code 0 both times: a missing peer is an answer. Whatever the libraries print goes to stderr.
Measure on an idle machine: beside other busy processes a step of train took 6 to 20 times as long and a product 1.4 to 9 times, so their ratio is off too.
"""
import json, os, sys, tempfile, time
from importlib.metadata import version
from importlib.util import find_spec
from statistics import median

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # ours runs on the CPU
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

CONTEXT, PROMPT, RESPONSE, TEMPERATURE = 128, 64, 53, 0.7


def config(vocabulary, **more):
    """GPT-2 shape L4 D256 H4. No end-of-text, so that every continuation has its full length."""
    from transformers import GPT2Config
    return GPT2Config(vocab_size=vocabulary, n_positions=CONTEXT, n_embd=256, n_layer=4, n_head=4, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
                      bos_token_id=None, eos_token_id=None, **more)


def gpt2(vocabulary):
    from transformers import GPT2LMHeadModel
    return GPT2LMHeadModel(config(vocabulary))


def count_parameters(model):
    return sum(p.numel() for p in model.parameters())  # tied weights once


def seconds(run):
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def gemm_gflops():
    """The peer's own rate: 1024 x 1024 x 1024 matrix products, five at a time."""
    import torch
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    return 5 * 2 * 1024 ** 3 / seconds(lambda: [a @ b for _ in range(5)]) / 1e9


def train(rounds=8, warm_up=2):
    """One AdamW step: B 8 x T 128, V 5000, every position a target; a GEMM measurement before each step."""
    import torch
    B, V = 8, 5000
    model = gpt2(V).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, fused=True)

    def step():
        ids = torch.randint(V, (B, CONTEXT + 1))
        logits = model(ids[:, :-1], use_cache=False).logits  # (B, T, V)
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for _ in range(warm_up):
        gemm_gflops()
        step()
    rates, times = zip(*[(gemm_gflops(), 1000 * seconds(step)) for _ in range(rounds)])
    parameters, rate = count_parameters(model), median(rates)
    gflops = 6 * parameters * B * CONTEXT / median(times) / 1e6
    return {"what": "train: one AdamW step, L4 D256 H4, B 8 x T 128, V 5000", "parameters": parameters, "gemm_gflops": rate,
            "step_ms": median(times), "step_ms_best": min(times), "gflops": gflops, "share_of_gemm": gflops / rate}


def sample(rounds=3):
    """generate() of the same model, 64 -> 53 tokens, at B 8 and B 32; tokens/s counts new tokens and includes reading the prompt, as ours does."""
    import torch
    V = 5000
    model = gpt2(V).eval()

    def tokens_per_second(B):
        prompts = torch.randint(V, (B, PROMPT))
        started = time.perf_counter()
        out = model.generate(input_ids=prompts, attention_mask=torch.ones_like(prompts), do_sample=True, temperature=TEMPERATURE, top_k=0, top_p=1.0,
                             min_new_tokens=RESPONSE, max_new_tokens=RESPONSE)
        took = time.perf_counter() - started
        assert out.shape == (B, PROMPT + RESPONSE), f"generate() gave {tuple(out.shape)}"
        return B * RESPONSE / took

    gemm_gflops(), tokens_per_second(8), tokens_per_second(32)
    rates, at8, at32 = zip(*[(gemm_gflops(), tokens_per_second(8), tokens_per_second(32)) for _ in range(rounds)])
    return {"what": "sample: same model, 64 -> 53 tokens", "parameters": count_parameters(model), "gemm_gflops": median(rates),
            "tokens_per_second_b8": median(at8), "tokens_per_second_b32": median(at32)}


def ppo(rounds=2, warm_up=1, episodes=32):
    """One update of TRL's PPOTrainer: sample 32, score, four epochs of one minibatch on policy and critic together.

    An update is the time from one on_step_end to the next: TRL calls it once an update, after the optimizer steps and the log,
    so nothing of TRL's is left out and its set-up is not counted. The first update, counted from on_train_begin, is dropped.
    """
    import torch
    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast, TrainerCallback
    from trl.experimental.ppo import PPOConfig, PPOTrainer
    V = 1024
    # the pad token is one past the model's vocabulary: TRL takes a sampled pad for the end of the response, and ours never ends early here
    words = {**{f"w{i}": i for i in range(V)}, "[PAD]": V}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="w0")), pad_token="[PAD]", eos_token="[PAD]",
                                        padding_side="left")  # TRL counts the end-of-text tokens, so it must be given one
    policy, reference = gpt2(V), gpt2(V)
    reference.load_state_dict(policy.state_dict())
    reward, value = (AutoModelForSequenceClassification.from_config(config(V, num_labels=1)) for _ in range(2))
    prompts = Dataset.from_dict({"input_ids": torch.randint(V, ((rounds + warm_up) * episodes, PROMPT)).tolist()})
    marks = []

    class Clock(TrainerCallback):
        def on_train_begin(self, *args, **kwargs):
            marks.append(time.perf_counter())

        def on_step_end(self, *args, **kwargs):
            marks.append(time.perf_counter())

    rates = [gemm_gflops() for _ in range(3)]
    with tempfile.TemporaryDirectory(prefix="tastemaker-bench-") as folder:
        settings = PPOConfig(
            output_dir=folder, report_to="none", save_strategy="no", disable_tqdm=True, num_sample_generations=0, seed=1,
            use_cpu=True, bf16=False, gradient_checkpointing=False,  # both are on by default; ours is float32 and recomputes nothing
            total_episodes=(rounds + warm_up) * episodes, per_device_train_batch_size=episodes, gradient_accumulation_steps=1,
            num_ppo_epochs=4, num_mini_batches=1, response_length=RESPONSE, temperature=TEMPERATURE, stop_token=None)
        PPOTrainer(args=settings, processing_class=tokenizer, model=policy, ref_model=reference, reward_model=reward, value_model=value,
                   train_dataset=prompts, callbacks=[Clock()]).train()
    times = [after - before for before, after in zip(marks, marks[1:])]
    assert len(times) == rounds + warm_up, f"{len(times)} updates were timed instead of {rounds + warm_up}"
    rates += [gemm_gflops() for _ in range(3)]
    return {"what": "ppo: one update, 32 episodes, P 64, N 53, 4 epochs, separate critic", "parameters": count_parameters(policy),
            "gemm_gflops": median(rates[1:]), "update_seconds": median(times[warm_up:])}


BENCHES = {"train": (train, ["torch", "transformers"]), "sample": (sample, ["torch", "transformers"]),
           "ppo": (ppo, ["torch", "transformers", "trl", "datasets", "accelerate"])}


def measure(names):
    if len(names) != 1 or names[0] not in BENCHES:
        return {"error": "Name one benchmark: train, sample or ppo."}
    run, packages = BENCHES[names[0]]
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        return {"error": f"The peer's Python lacks {', '.join(missing)}: install {'it' if len(missing) == 1 else 'them'} there with pip."}
    try:
        import torch
        torch.set_num_threads(os.cpu_count())
        torch.manual_seed(1)
        return {"peer": ", ".join(f"{package} {version(package)}" for package in packages[:3]), **run()}
    except Exception as error:  # an API that moved, a package that does not load: the bench goes on without its peer
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return {"error": f"The peer's {names[0]} benchmark did not run ({type(error).__name__}: {' '.join(str(error).split())[:300]})."}


if __name__ == "__main__":
    answers = os.dup(1)
    os.dup2(2, 1)  # stdout holds the one line and nothing else
    figure = measure(sys.argv[1:])
    with os.fdopen(answers, "w") as out:
        out.write(json.dumps(figure) + "\n")
