//! OutboundLayer: the right credential for every downstream target, by itself
