#!/bin/sh
# Make the shipped bundles and their report from ../shared/data. Hours on two cores; run it in the checkout's root.
set -eu
ATTRIBUTION="free to use with attribution (see MODEL_CARD.md); layers from YAMNet (Google, Apache-2.0)"
NONCOMMERCIAL="CC BY-NC 3.0 (UrbanSound8K): not for commercial use; layers from YAMNet (Google, Apache-2.0)"

# Thresholds come from one fold and are reported on another.
for fold in 3 4; do
    python -m models.train --bundle default --leave-out-fold $fold --out runs/fold$fold
    python -m export.bundle --checkpoint runs/fold$fold/checkpoint.pt --name fold$fold --out bundles/raw$fold \
        --licence "$ATTRIBUTION" --trained-on "free recordings, without fold $fold"
done
python -m models.calibrate --bundle bundles/raw4 --fold 4 --out runs/calibration.json
python -m export.bundle --checkpoint runs/fold3/checkpoint.pt --name fold3 --out bundles/fold3 \
    --calibration runs/calibration.json --licence "$ATTRIBUTION" --trained-on "free recordings, without fold 3"
python -m models.evaluate --bundle bundles/fold3 --fold 3 --out docs/model

for bundle in default city; do
    python -m models.train --bundle $bundle --out runs/$bundle
done
python -m export.bundle --checkpoint runs/default/checkpoint.pt --name default-1 --out listener/assets/default \
    --calibration runs/calibration.json --licence "$ATTRIBUTION" --trained-on "free recordings (see MODEL_CARD.md)"
python -m export.bundle --checkpoint runs/city/checkpoint.pt --name city-1 --out listener/assets/city \
    --calibration runs/calibration.json --licence "$NONCOMMERCIAL" --trained-on "all recordings (see MODEL_CARD.md)"
for bundle in default city; do
    python -m export.card --bundle listener/assets/$bundle --report docs/model/report.json
done
python -m export.golden --bundle listener/assets/default
