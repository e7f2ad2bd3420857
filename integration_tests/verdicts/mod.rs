//! What a refusal or a failure means: for the object, for its stream, for the run.

mod failing_capability;
mod failing_listing;
mod failing_object;
mod refused_object;
