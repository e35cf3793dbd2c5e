"""What printers have in common that are asked over HTTP, again and again, and are told what to do in single requests.

A brand describes its printer as a `device.Device` and is driven by `driver.PolledDriver`.
"""
