#!/bin/sh
# The default bundle, from the data to the card. Run in the checkout's root; an hour and a quarter on two cores.
set -e
python -m models.train --leave-out-fold 3 --steps 9000 --out runs/fold3
python -m models.evaluate --checkpoint runs/fold3/checkpoint.pt --json runs/fold3/report.json
python -m export.bundle --checkpoint runs/fold3/checkpoint.pt --out runs/fold3/bundle --report runs/fold3/report.json
python -m models.scenes score --bundle runs/fold3/bundle --seeds 1 2 3 > runs/fold3/scenes.json
python -m models.train --steps 6800 --out runs/all
python -m export.bundle --checkpoint runs/all/checkpoint.pt --out listener/assets/default --report runs/fold3/report.json
python -m export.golden --bundle listener/assets/default
python -m export.card --bundle listener/assets/default --report runs/fold3/report.json \
    --scenes runs/fold3/scenes.json --commands export/make_default.sh --history export/history.md
