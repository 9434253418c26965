"""The closed loop: generate, measure on the device, correct the prediction, generate again.

`levels` says how long each network takes from launches that are spread over the whole sitting;
`correction` turns that into a better predictor; `headroom` says how much of a budget must stay free
so that a later `sgnas validate`, in another sitting, still passes; `loop` puts them together;
`artefact` writes what was measured, so that `validate` can judge it. `docs/fit.md` tells why.
"""
