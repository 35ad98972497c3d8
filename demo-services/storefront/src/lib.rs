//! The storefront service of the demo shop
