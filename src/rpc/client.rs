//! The client's side of calls.

/// A client of a server.
#[derive(Debug)]
pub struct RpcClient;
