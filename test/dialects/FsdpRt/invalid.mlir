// RUN: fsdp-opt %s --verify-diagnostics --split-input-file -o %t.mlir

// Tests that there are four streams.
fsdprt.phase @stream runs "step" {
  // expected-error @+2 {{failed to parse FsdpRt_StreamAttr parameter 'value'}}
  // expected-error @+1 {{expected ::fsdp::rt::Stream to be one of: compute, gather, reduce, copy}}
  %e = fsdprt.join "join" on side [] unit "" scope ""
}

// -----

// Tests that an argument says how it is used.
fsdprt.phase @access runs "step" {
  // expected-error @+2 {{invalid access specification: touch}}
  // expected-error @+1 {{failed to parse FsdpRt_ArgAttr parameter 'access'}}
  %e = fsdprt.join "join" on compute [#fsdprt.arg<touch 0 [0 : 4]>] unit "" scope ""
}

// -----

// Tests that dispatches take ranges of buffers and nothing else.
fsdprt.phase @arguments runs "step" {
  // expected-error @+1 {{attribute 'args' failed to satisfy constraint: dispatch arguments}}
  %e = fsdprt.join "join" on compute [4 : i64] unit "" scope ""
}

// -----

// Tests that a dispatch waits for events.
func.func @wait_for_events(%x: tensor<4xf32>) {
  // expected-error @+1 {{operand #0 must be variadic of the end of one dispatch}}
  %e = "fsdprt.join"(%x) {name = "join", stream = #fsdprt<stream compute>, args = [], unit = "", scope = ""} : (tensor<4xf32>) -> !fsdprt.event
  return
}
