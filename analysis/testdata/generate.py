#!/usr/bin/env python3
"""Writes vectors.json: inputs with outputs for the formulas of package analysis.

An implementation of its own, in decimal arithmetic with 40 digits, straight from
the formulas in the docstrings; it shares nothing with the Go code. Inputs come
from a seeded generator. The Kayenta part is a port in plain Python that looks for
roots among the sample's pairwise differences.

usage: generate.py > vectors.json
"""
import json
import math
import random
from decimal import Decimal as D, getcontext

getcontext().prec = 40
getcontext().Emax = 10**15
getcontext().Emin = -10**15
RATIOS = ["1.25", "1.5", "2", "3", "4", "6", "8", "12", "16", "24", "32", "64"]
STAKES = [".02", ".05", ".1", ".2", ".4", ".6", ".8", ".95"]
BETTER = [".02", ".05", ".1", ".2", ".3", ".5", ".7", ".85"]
rng = random.Random(20260101)


def log_mean(logs):
    return (sum(x.exp() for x in logs) / len(logs)).ln()


def streams():
    """Lists of intervals: stages, drifts, bursts, empty and one-sided ones."""
    all = []
    for share, rate, ratio in [(.05, .001, 1), (.05, .001, 5), (.25, .01, 1), (.25, .01, 2),
                               (.5, .05, 1), (.5, .3, 1.5), (.01, .0001, 20), (.9, .02, .3)]:
        steps = []
        for i in range(20):
            s = [share, min(2 * share, .9)][i // 10]
            n = rng.choice([100, 500, 3000])
            nc = round(n * s)
            drift = 1 + i / 20
            c = sum(rng.random() < min(rate * ratio * drift, 1) for _ in range(nc))
            b = sum(rng.random() < min(rate * drift, 1) for _ in range(n - nc))
            steps.append(dict(n_c=nc, n_b=n - nc, c=c, b=b))
        all.append(steps)
    big = 10**12
    all.append([dict(n_c=0, n_b=0, c=0, b=0), dict(n_c=0, n_b=100, c=0, b=3), dict(n_c=100, n_b=0, c=3, b=0),
                dict(n_c=100, n_b=100, c=0, b=0), dict(n_c=100, n_b=100, c=100, b=0), dict(n_c=1, n_b=10**6, c=1, b=0),
                dict(n_c=big, n_b=3 * big, c=big // 1000, b=3 * big // 1000),
                dict(n_c=100, n_b=300, c=0.5, b=1.25)])
    return all


def parts(s):
    n_c, n_b, c, b = (D(str(s[k])) for k in ("n_c", "n_b", "c", "b"))
    w = n_c / (n_c + n_b) if n_c + n_b else D(0)
    return n_c, c, c + b, w


def walk(steps, grid, growth):
    logs, out = [D(0)] * len(grid), []
    for s in steps:
        for j, g in enumerate(grid):
            logs[j] += growth(D(g), *parts(s))
        out.append(float(log_mean(logs)))
    return out


def count(r0, phi):
    def growth(g, n_c, c, n, w):
        if n == 0 or w in (0, 1):
            return D(0)
        return (c * g.ln() - n * ((1 - w + w * r0 * g) / (1 - w + w * r0)).ln()) / phi
    return growth


def fraction(r0):
    def growth(k, n_c, c, n, w):
        if n == 0 or w in (0, 1):
            return D(0)
        theta = w * r0 / (1 - w + w * r0)
        return (1 + k / theta * (c / n - theta)).ln()
    return growth


def floor_counts(p):
    def growth(g, n_c, c, n, w):
        q = min(g * p, (1 + p) / 2)
        return c * (q / p).ln() + (n_c - c) * ((1 - q) / (1 - p)).ln()
    return growth


def floor_fractions(p):
    return lambda k, n_c, c, n, w: (1 + k / p * (c / n_c - p)).ln() if n_c else D(0)


def below(p):
    return lambda g, n_c, c, n, w: c * g.ln() + (n_c - c) * ((1 - p * g) / (1 - p)).ln()


def eprocesses():
    out = []
    for steps in streams():
        for r0, phi in (("1", "1"), ("1.25", "1"), ("1.25", "3")):
            out.append(dict(fn="count_eprocess_log_e", R0=float(r0), phi=float(phi), steps=steps,
                            log_e_after_each_step=walk(steps, RATIOS, count(D(r0), D(phi)))))
        for r0 in ("1", "1.25"):
            out.append(dict(fn="interval_fraction_betting_log_e", R0=float(r0), steps=steps,
                            log_e_after_each_step=walk(steps, STAKES, fraction(D(r0)))))
        for p in ("0.0005", "0.05")[:1 + (len(out) < 20)]:
            out.append(dict(fn="floor_counts_log_e", p_abs=float(p), steps=steps,
                            log_e_after_each_step=walk(steps, RATIOS, floor_counts(D(p)))))
            out.append(dict(fn="floor_fractions_log_e", p_abs=float(p), steps=steps,
                            log_e_after_each_step=walk(steps, STAKES, floor_fractions(D(p)))))
            a = walk(steps, BETTER, count(D(2), D(1)))
            b = walk(steps, BETTER, below(D(p)))
            mean = [float(log_mean([D(x), D(y)])) for x, y in zip(a, b)]
            out.append(dict(fn="promote_log_e", R1=2.0, p_abs=float(p), steps=steps, log_a=a, log_b=b,
                            log_e_after_each_step=mean))
    return out


def mixtures():
    out = []
    for s in (-40, -3, 0, 2.5, 10, 60, 400):
        for v in (1, 30, 1000):
            for best, alpha in ((60, .01), (100, .05)):
                l = 2 * math.log(1 / (2 * alpha))
                rho = best / (l + math.log(1 + l))
                phi = math.erfc(-s / math.sqrt(2 * (v + rho))) / 2
                if phi > 1e-300:
                    out.append(dict(fn="normal_log_mixture", args=dict(s=s, v=v, v_opt=best, alpha_opt=alpha, one_sided=True),
                                    value=.5 * math.log(4 * rho / (v + rho)) + s * s / (2 * (v + rho)) + math.log(phi)))
    return out


def combinations():
    out = []
    for size in (1, 2, 5, 9, 40):
        for alpha in (.1, .01):
            e = [round(10 ** rng.uniform(-2, 4), 6) for _ in range(size)]
            order = sorted(range(size), key=lambda i: -e[i])
            k = max([i + 1 for i in range(size) if (i + 1) * e[order[i]] / size >= 1 / alpha], default=0)
            out.append(dict(fn="eBH", alpha=alpha, e=e, rejected_indices=sorted(order[:k]), k_star=k))
            mean = sum(e) / size
            out.append(dict(fn="global_average", alpha=alpha, e=e, mean=mean, reject=mean >= 1 / alpha))
    return out


def z(x, y, mu):
    m, n = len(x), len(y)
    pool = sorted([round(v - mu, 12) for v in x] + [round(v, 12) for v in y])
    rank, i, ties = {}, 0, 0
    while i < len(pool):
        j = i
        while j < len(pool) and pool[j] == pool[i]:
            j += 1
        rank[pool[i]] = (i + j + 1) / 2
        ties += (j - i) ** 3 - (j - i)
        i = j
    dz = sum(rank[round(v - mu, 12)] for v in x) - m * (m + 1) / 2 - m * n / 2
    variance = m * n / 12 * (m + n + 1 - ties / ((m + n) * (m + n - 1)))
    if variance <= 1e-12:
        return 0.0
    return (dz - (math.copysign(.5, dz) if dz else 0)) / math.sqrt(variance)


def crossing(x, y, q):
    """Where z falls below q: the pairwise difference, and the side of it."""
    differences = sorted({round(a - b, 12) for a in x for b in y})
    if z(x, y, differences[0]) <= q:
        return differences[0]
    if z(x, y, differences[-1]) >= q:
        return differences[-1]
    step = min(b - a for a, b in zip(differences, differences[1:])) / 3
    low, high = 0, len(differences) - 1  # z only ever falls
    while low < high:
        mid = (low + high) // 2
        low, high = (low, mid) if z(x, y, differences[mid] + step) < q else (mid + 1, high)
    return differences[low] + (-step if z(x, y, differences[low]) < q else step) * 1e-6


CROSSINGS = {}


def label(control, experiment, p):
    if not control or not experiment:
        return "Pass" if p["nanStrategy"] == "replace" else "Nodata"
    if sorted(control) == sorted(experiment):
        return "Pass"
    q = math.sqrt(2) * inverse_erf(p["confLevel"])
    key = (tuple(control), tuple(experiment))
    if key not in CROSSINGS:
        CROSSINGS[key] = [crossing(experiment, control, v) for v in (q, -q, 0)]
    low, high, est = CROSSINGS[key]
    if p["effectSizeMeasure"] == "cles":
        pairs = [(a > b) + (a == b) / 2 for a in experiment for b in control]
        effect = sum(pairs) / len(pairs)
    else:
        mean = sum(control) / len(control)
        effect = sum(experiment) / len(experiment) / mean if mean else None
    bound = p["tolerance"] * abs(est)
    if p["direction"] != "decrease" and low > bound and (effect is None or effect >= p["effectSizeThresholds"][1]):
        return "High"
    if p["direction"] != "increase" and high < -bound and (effect is None or effect <= p["effectSizeThresholds"][0]):
        return "Low"
    return "Pass"


def inverse_erf(p):
    low, high = 0.0, 6.0
    for _ in range(200):
        mid = (low + high) / 2
        low, high = (mid, high) if math.erf(mid) < p else (low, mid)
    return low


def classifier():
    def sample(n, mean, spread, digits):
        return [round(rng.gauss(mean, spread), digits) for _ in range(n)]
    pairs = []
    for n in (5, 12, 30):
        for factor in (.5, .9, 1, 1.02, 1.1, 2):
            for digits in (0, 3):
                pairs.append((sample(n, 10, 1.5, digits), sample(n, 10 * factor, 1.5, digits)))
    # Mostly zeros, as error counts are, at three scales.
    for scale in (1, 1e-3, 1e3):
        few = [round(scale * (rng.random() < .1), 9) for _ in range(40)]
        many = [round(scale * (rng.random() < .6), 9) for _ in range(40)]
        pairs += [(few, many), (many, few), (few, few[::-1])]
    pairs += [([1] * 5, [10] * 5), ([0] * 5, [4, 5, 6, 7, 8]), ([4, 5, 6, 7, 8], [0] * 5), ([0] * 5, [0] * 5),
              ([1] * 5, [1, 1, 1, 1, 10]), ([1, 2, 3], []), ([], [1, 2, 3])]
    out = []
    for i, (control, experiment) in enumerate(pairs):
        for direction in ("either", "increase", "decrease"):
            for measure, allowed in (("meanRatio", [1, 1]), ("meanRatio", [.8, 1.3]), ("cles", [.3, .7])):
                p = dict(tolerance=.25, confLevel=.98, effectSizeThresholds=allowed, criticalThresholds=allowed,
                         effectSizeMeasure=measure, direction=direction, nanStrategy=("remove", "replace")[i % 2], isCritical=False)
                out.append(dict(name=f"pair {i} {direction} {measure} {allowed}", control=control, experiment=experiment,
                                params=p, expected=dict(classification=label(control, experiment, p))))
    return out


def main():
    sections = dict(_about=dict(computed_by="generate.py beside this file", digits=getcontext().prec),
                    kayenta_classifier=classifier(), confseq=mixtures(), own_eprocess=eprocesses() + combinations())
    print("{")
    for i, (name, rows) in enumerate(sections.items()):
        print(("" if i == 0 else ",\n") + json.dumps(name) + ": ", end="")
        if isinstance(rows, dict):
            print(json.dumps(rows), end="")
        else:
            print("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]", end="")
    print("\n}")


main()
