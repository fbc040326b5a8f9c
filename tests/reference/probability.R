# Makes probability_r.csv: calibration from rms::val.prob (Debian package r-cran-rms) and glm, with profile-likelihood
# limits from uniroot and Student's t, those of the shift scaled by the sandwich (r-cran-sandwich); and net benefit from
# dcurves. Run in this folder: Rscript probability.R
# Debian has no package of dcurves: DCURVES names a file with its R sources where the package is not installed.
suppressMessages(library(rms))
suppressMessages(library(sandwich))
if (nzchar(Sys.getenv("DCURVES"))) source(Sys.getenv("DCURVES")) else library(dcurves)
data <- read.csv("probability_data.csv")
rows <- list()
keep <- function(dataset, what, value) {
  rows[[length(rows) + 1]] <<- data.frame(dataset = dataset, quantity = what, value = sprintf("%.17g", as.numeric(value)))
}
limits <- function(profile, estimate, level, df, scale = 1) {
  top <- profile(estimate)
  lack <- function(v) top - profile(v) - scale * qt((1 + level) / 2, df)^2 / 2
  sapply(c(-30, 30), function(far) uniroot(lack, sort(c(estimate, estimate + far)), tol = 1e-12)$root)
}
for (name in unique(data$dataset)) {
  part <- data[data$dataset == name, ]
  y <- part$y; p <- part$p; x <- qlogis(p)
  stats <- suppressWarnings(val.prob(p, y, pl = FALSE))
  for (what in c("Slope", "Brier", "Eavg")) keep(name, what, stats[what])
  strict <- glm.control(epsilon = 1e-14, maxit = 100)
  shifted <- glm(y ~ offset(x), family = binomial, control = strict)
  shift <- coef(shifted)
  scale <- as.numeric(vcovHC(shifted, type = "HC1") / vcov(shifted))
  slope <- coef(glm(y ~ x, family = binomial, control = strict))[2]
  keep(name, "shift", shift)
  keep(name, "slope", slope)
  of_shift <- function(a) sum(dbinom(y, 1, plogis(x + a), log = TRUE))
  of_slope <- function(b) as.numeric(logLik(glm(y ~ offset(b * x), family = binomial, control = strict)))
  for (level in c(0.95, 0.90)) {
    keep(name, sprintf(c("shift_low_%g", "shift_high_%g"), level), limits(of_shift, shift, level, length(y) - 1, scale))
    keep(name, sprintf(c("slope_low_%g", "slope_high_%g"), level), suppressWarnings(limits(of_slope, slope, level, length(y) - 2)))
  }
  smooth <- lowess(p, y, iter = 0, delta = 0)
  at <- c(0.25, 0.5, 0.75)
  keep(name, paste0("lowess_", at), approx(smooth, xout = quantile(p, at, type = 1), ties = mean)$y)
  for (prevalence in list(NULL, 0.2)) {
    found <- net_intervention_avoided(dca(y ~ p, part, thresholds = seq(0.05, 0.95, by = 0.05), prevalence = prevalence))
    found <- as.data.frame(found$dca)
    label <- if (is.null(prevalence)) "sample" else prevalence
    for (variable in c("p", "all")) {
      one <- found[found$variable == variable, ]
      keep(name, sprintf("nb_%s_%s_%.2f", variable, label, one$threshold), one$net_benefit)
    }
    one <- found[found$variable == "p", ]
    keep(name, sprintf("avoided_%s_%.2f", label, one$threshold), one$net_intervention_avoided)
  }
}
write.csv(do.call(rbind, rows), "probability_r.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, "rms", as.character(packageVersion("rms")), "\n")
