//! A question to an AI endpoint; an answer or a typed error back.
