//! What Transaction Tokens look like on the wire, as of draft-ietf-oauth-transaction-tokens-11: every name that a later
//! revision may change is here and nowhere else.

/// The header field that carries exactly one of them (§5.1). `Authorization` never does.
pub const FIELD: &str = "txn-token";

/// Its JOSE `typ` (§4.1).
pub const TYPE: &str = "txntoken+jwt";

/// As what it is asked for and issued, and presented to be replaced (§7.1).
pub const TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:txn_token";

/// A subject token that the asking workload has signed itself (§7.2).
pub const SELF_SIGNED: &str = "urn:ietf:params:oauth:token-type:self_signed";

/// A subject token that nobody has signed (§7.2).
pub const UNSIGNED_JSON: &str = "urn:ietf:params:oauth:token-type:unsigned_json";

/// Of a request for one: the environment of the transaction, as JSON (§7.1).
pub const REQUEST_CONTEXT: &str = "request_context";

/// Of a request for one: what the transaction is about, as JSON (§7.1).
pub const REQUEST_DETAILS: &str = "request_details";

/// The claim that names the workload which asked for it (§4.2).
pub const REQUESTING_WORKLOAD: &str = "req_wl";

/// The claim of what the transaction is about, which stays as it is (§4.2).
pub const TRANSACTION_CONTEXT: &str = "tctx";

/// The claim of the environment in which the transaction was begun (§4.2).
pub const REQUESTER_CONTEXT: &str = "rctx";

/// The `token_type` of an answer that holds one: it is nobody's access token (§7.3).
pub const NOT_APPLICABLE: &str = "N_A";
