//! How much may be remembered.

/// How much may be remembered. What finds no room makes the least recently seen go, or is counted together with
/// others; either is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Members.
    pub members: usize,
    /// Groups, the configured ones among them.
    pub groups: usize,
    /// ESP SPIs, counted once for each site they are sent from.
    pub spis: usize,
    /// Key servers, the configured ones among them.
    pub key_servers: usize,
    /// IKE SAs that a registration may be running in.
    pub associations: usize,
    /// KEKs; as many cookie pairs beside them that nothing but one message speaks for.
    pub keks: usize,
    /// Seed of the tables' hash function. It changes nothing that can be seen; a secret one keeps a sender of forged
    /// messages from choosing keys that collide.
    pub hash_seed: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            members: 100_000,
            groups: 1_000,
            spis: 100_000,
            key_servers: 4_096,
            associations: 65_536,
            keks: 8_192,
            hash_seed: 0,
        }
    }
}
