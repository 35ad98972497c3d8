//! Signing and verifying: the traits of `jsonwebtoken`, on aws-lc-rs over keys that are parsed once.
