#!/bin/sh
# Make the shipped bundles and their report from ../shared/data. Hours on two cores; run it in the checkout's root.
set -eu
ATTRIBUTION="free to use with attribution (see MODEL_CARD.md); layers from YAMNet (Google, Apache-2.0)"
NONCOMMERCIAL="CC BY-NC 3.0 (UrbanSound8K): not for commercial use; layers from YAMNet (Google, Apache-2.0)"

# Thresholds that are reported come from the other half of the fold left out; those that are shipped from all of it.
python -m models.train --bundle default --leave-out-fold 3 --out runs/fold3
python -m export.bundle --checkpoint runs/fold3/checkpoint.pt --name fold3 --out bundles/raw3 \
    --licence "$ATTRIBUTION" --trained-on "free recordings, without fold 3"
python -m models.calibrate --bundle bundles/raw3 --fold 3 --part first --out runs/fold3/calibration.json
python -m export.bundle --checkpoint runs/fold3/checkpoint.pt --name fold3 --out bundles/fold3 \
    --calibration runs/fold3/calibration.json --licence "$ATTRIBUTION" --trained-on "free recordings, without fold 3"
python -m models.evaluate --bundle bundles/fold3 --fold 3 --part second --out docs/model
python -m models.calibrate --bundle bundles/raw3 --fold 3 --out runs/calibration.json

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
