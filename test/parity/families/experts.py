"""Mixtures of experts: transformers' families whose layers route tokens.

All experts of a token are one batched product (`experts_implementation`): the
other ways of transformers loop over the experts that a batch happens to choose,
which no export can hold.
"""

import sizes

# A layer of 4 experts, 2 a token.
SIZES = dict(**sizes.SIZES, num_experts_per_tok=2, experts_implementation="batched_mm")

EXPERTS = {
    "mixtral": ("Mixtral", "ForCausalLM", SIZES, dict(num_local_experts=4)),
    "qwen3-moe": (
        "Qwen3Moe", "ForCausalLM", SIZES,
        dict(num_experts=4, moe_intermediate_size=24, head_dim=8, norm_topk_prob=True),
    ),
    "olmoe": ("Olmoe", "ForCausalLM", SIZES, dict(num_experts=4)),
    "granitemoe": ("GraniteMoe", "ForCausalLM", SIZES, dict(num_local_experts=4)),
    "gpt-oss": (
        "GptOss", "ForCausalLM", SIZES,
        dict(num_local_experts=4, head_dim=8, sliding_window=8, attn="eager"),
    ),
    "deepseek-v3": (
        "DeepseekV3", "ForCausalLM", SIZES,
        dict(
            num_key_value_heads=4,
            n_routed_experts=4,
            n_shared_experts=1,
            n_group=2,
            topk_group=1,
            first_k_dense_replace=1,
            moe_intermediate_size=24,
            kv_lora_rank=16,
            q_lora_rank=16,
            qk_rope_head_dim=8,
            qk_nope_head_dim=8,
            v_head_dim=8,
        ),
    ),
}
