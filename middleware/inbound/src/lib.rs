//! AuthLayer and RequireLayer: authenticate the caller, apply rules, render every refusal
