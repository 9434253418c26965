"""The closed loop: generate, measure on the device, correct the prediction, generate again.

`question` says what is asked and answered, `loop` puts the parts together:

* `measured`: all launches of the sitting, and what follows from them. `levels` says how long each
  network takes, `correction` turns that into a better predictor, `headroom` says how much of a
  budget must stay free so that a later `sgnas validate`, in another sitting, still passes.
* `candidates`: what is worth measuring for a `budget`, and which measured network is best;
  `neighbours` changes a measured one in one layer.
* `confirming`: verdicts on chosen networks by fresh launches.
* `artefact`: writes what was measured, so that `validate` can judge it.

`docs/fit.md` tells why.
"""
